package gcp

import (
	"fmt"
	"regexp"
)

// admissionPolicyRule is the Binary Authorization policy of a project, which is
// always there: creating it changes it, and deleting it brings Google's default
// back ("Policy reference", Binary Authorization). It is kept, and not enforced:
// the sandbox's nodes run what the registry gives them.
var admissionPolicyRule = &rule{
	noun: "policy", idempotent: true, check: checkAdmissionPolicy, admit: admitAdmissionPolicy, build: nothing, raze: nothing,
}

// whitelistPattern is a reference with an asterisk, or two, at its end ("Policy
// reference", admissionWhitelistPatterns).
var whitelistPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._:/@-]*(/\*{1,2}|\*)?$`)

func checkAdmissionPolicy(p Properties) []Violation {
	c := &checker{p: p}
	c.oneOf("globalPolicyEvaluationMode", "ENABLE", "DISABLE")
	c.rule("defaultAdmissionRule", p.object("defaultAdmissionRule"))
	for i, r := range p.objects("clusterAdmissionRules") {
		c.rule(fmt.Sprintf("clusterAdmissionRules[%d]", i), r)
	}
	for i, pattern := range p.objects("admissionWhitelistPatterns") {
		if s := pattern.str("namePattern"); s != "" && !whitelistPattern.MatchString(s) {
			c.wrong(fmt.Sprintf("admissionWhitelistPatterns[%d].namePattern", i), "%q must be an image's name, which may end in /* or /**", s)
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

func admitAdmissionPolicy(t *change) error {
	t.complete(nil, Properties{"globalPolicyEvaluationMode": "DISABLE"})
	return nil
}
