package binaryauthorization

import (
	"fmt"
	"regexp"
	"slices"

	"example.com/grpc-edge/sandbox/gcp"
)

// admissionPolicyResource describes the Binary Authorization policy of a project. The policy always
// exists: creating it changes it, and deleting it restores Google's default ("Policy reference",
// Binary Authorization). See [Reviewer.Review] for what it does.
var admissionPolicyResource = &gcp.Resource{
	Kind: KindAdmissionPolicy, Noun: "policy", Name: "projects/{project}/policy",
	Permissions: gcp.Verbs{ // the policy always exists, so it is never created or deleted
		gcp.VerbCreate: gcp.On(gcp.OnProject, "binaryauthorization.policy.update"),
		gcp.VerbGet:    gcp.On(gcp.OnProject, "binaryauthorization.policy.get"),
		gcp.VerbUpdate: gcp.On(gcp.OnProject, "binaryauthorization.policy.update"),
		gcp.VerbDelete: gcp.On(gcp.OnProject, "binaryauthorization.policy.update"),
	},
	Idempotent: true, Needs: needAttestors, Check: checkAdmissionPolicy, Admit: admitAdmissionPolicy,
}

// needAttestors adds the permission to read a policy's attestors, which setting the policy needs.
func needAttestors(call gcp.Call, all []gcp.Need) []gcp.Need {
	if call.Verb == gcp.VerbCreate || call.Verb == gcp.VerbUpdate {
		for _, attestor := range attestorsOf(call.Config) {
			all = append(all, gcp.Need{Permission: "binaryauthorization.attestors.get", Resource: attestor})
		}
	}
	return all
}

// whitelistPattern matches a reference that may end with one or two asterisks, after the
// registry ("Policy reference", admissionWhitelistPatterns).
var whitelistPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._:-]*(/[a-z0-9._:/@-]*\*{0,2})?$`)

func checkAdmissionPolicy(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.OneOf("globalPolicyEvaluationMode", "ENABLE", "DISABLE")
	checkAdmissionRule(c, "defaultAdmissionRule", p.Object("defaultAdmissionRule"))
	if p.Has("clusterAdmissionRules") {
		c.Wrong("clusterAdmissionRules", "are not emulated: give defaultAdmissionRule")
	}
	for i, pattern := range p.Objects("admissionWhitelistPatterns") {
		if s := pattern.Text("namePattern"); s != "" && !whitelistPattern.MatchString(s) {
			c.Wrong(fmt.Sprintf("admissionWhitelistPatterns[%d].namePattern", i), "%q must be an image's name, which may end in * or **", s)
		}
	}
	return c.Found
}

// checkAdmissionRule checks one rule for admission.
func checkAdmissionRule(c *gcp.Checker, path string, rule gcp.Properties) {
	inner := &gcp.Checker{P: rule}
	inner.OneOf("evaluationMode", "ALWAYS_ALLOW", "REQUIRE_ATTESTATION", "ALWAYS_DENY")
	inner.OneOf("enforcementMode", "ENFORCED_BLOCK_AND_AUDIT_LOG", "DRYRUN_AUDIT_LOG_ONLY")
	if attested := rule.Text("evaluationMode") == "REQUIRE_ATTESTATION"; rule.Has("evaluationMode") && attested != (len(rule.Texts("requireAttestationsBies")) > 0) {
		inner.Wrong("requireAttestationsBies", "attestors are given if and only if the evaluation mode is REQUIRE_ATTESTATION")
	}
	for _, v := range inner.Found {
		c.Wrong(path+"."+v.Property, "%s", v.Reason)
	}
}

// attestorsOf returns the names of the attestors that a policy requires, sorted.
func attestorsOf(policy gcp.Properties) []string {
	names := policy.Texts("defaultAdmissionRule.requireAttestationsBies")
	slices.Sort(names)
	return slices.Compact(names)
}

// admitAdmissionPolicy checks that attestors exist before a policy names them ("Policy", Binary
// Authorization API: AdmissionRule).
func admitAdmissionPolicy(t *gcp.Change) error {
	for _, name := range attestorsOf(t.New.Config) {
		if _, err := t.ExistingOf(KindAttestor, name); err != nil {
			return gcp.BadRequest("The attestor %q does not exist: it must, before a policy can require its attestations.", name)
		}
	}
	t.Complete(nil, gcp.Properties{"globalPolicyEvaluationMode": "DISABLE"})
	return nil
}
