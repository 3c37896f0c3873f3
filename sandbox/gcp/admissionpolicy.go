package gcp

import (
	"fmt"
	"regexp"
	"slices"
)

// admissionPolicyRule describes the Binary Authorization policy of a project. The policy always
// exists: creating it changes it, and deleting it restores Google's default ("Policy reference",
// Binary Authorization). See [Cloud.Review] for what it does.
var admissionPolicyRule = &rule{
	kind: KindAdmissionPolicy, name: "projects/{project}/policy",
	permissions: verbs{ // which is there always, and so is never created or deleted
		VerbCreate: on(onProject, "binaryauthorization.policy.update"),
		VerbGet:    on(onProject, "binaryauthorization.policy.get"),
		VerbUpdate: on(onProject, "binaryauthorization.policy.update"),
		VerbDelete: on(onProject, "binaryauthorization.policy.update"),
	},
	noun: "policy", idempotent: true, needs: needAttestors, check: checkAdmissionPolicy, admit: admitAdmissionPolicy,
}

// needAttestors adds that who sets a policy may read its attestors.
func needAttestors(call Call, all []Need) []Need {
	if call.Verb == VerbCreate || call.Verb == VerbUpdate {
		for _, attestor := range attestorsOf(call.Config) {
			all = append(all, Need{Permission: "binaryauthorization.attestors.get", Resource: attestor})
		}
	}
	return all
}

// whitelistPattern matches a reference that may end with one or two asterisks, after the
// registry ("Policy reference", admissionWhitelistPatterns).
var whitelistPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._:-]*(/[a-z0-9._:/@-]*\*{0,2})?$`)

func checkAdmissionPolicy(p Properties) []Violation {
	c := &checker{p: p}
	c.oneOf("globalPolicyEvaluationMode", "ENABLE", "DISABLE")
	c.rule("defaultAdmissionRule", p.object("defaultAdmissionRule"))
	for i, r := range p.objects("clusterAdmissionRules") {
		c.rule(fmt.Sprintf("clusterAdmissionRules[%d]", i), r)
	}
	for i, pattern := range p.objects("admissionWhitelistPatterns") {
		if s := pattern.str("namePattern"); s != "" && !whitelistPattern.MatchString(s) {
			c.wrong(fmt.Sprintf("admissionWhitelistPatterns[%d].namePattern", i), "%q must be an image's name, which may end in * or **", s)
		}
	}
	return c.found
}

// rule checks one rule for admission.
func (c *checker) rule(path string, rule Properties) {
	inner := &checker{p: rule}
	inner.oneOf("evaluationMode", "ALWAYS_ALLOW", "REQUIRE_ATTESTATION", "ALWAYS_DENY")
	inner.oneOf("enforcementMode", "ENFORCED_BLOCK_AND_AUDIT_LOG", "DRYRUN_AUDIT_LOG_ONLY")
	if attested := rule.str("evaluationMode") == "REQUIRE_ATTESTATION"; rule.has("evaluationMode") && attested != (len(rule.strings("requireAttestationsBies")) > 0) {
		inner.wrong("requireAttestationsBies", "attestors are given if and only if the evaluation mode is REQUIRE_ATTESTATION")
	}
	for _, v := range inner.found {
		c.wrong(path+"."+v.Property, "%s", v.Reason)
	}
}

// attestorsOf returns the names of the attestors that the rules of a policy require, sorted.
func attestorsOf(policy Properties) []string {
	names := policy.strings("defaultAdmissionRule.requireAttestationsBies")
	for _, r := range policy.objects("clusterAdmissionRules") {
		names = append(names, r.strings("requireAttestationsBies")...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// admitAdmissionPolicy checks that attestors exist before a policy names them ("Policy", Binary
// Authorization API: AdmissionRule).
func admitAdmissionPolicy(t *change) error {
	for _, name := range attestorsOf(t.new.Config) {
		if _, err := t.existingOf(KindAttestor, name); err != nil {
			return badRequest("The attestor %q does not exist: it must, before a policy can require its attestations.", name)
		}
	}
	t.complete(nil, Properties{"globalPolicyEvaluationMode": "DISABLE"})
	return nil
}
