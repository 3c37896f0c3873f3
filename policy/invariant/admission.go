package invariant

import "strings"

const admissionType = "gcp:binaryauthorization/policy:Policy"

// admissionRules returns the rules about what Binary Authorization lets run.
func admissionRules(s Settings) []Rule {
	return []Rule{{
		Name: "images-signed",
		What: "Where images are signed, those of the stack's own repositories need an attestation: no rule lets one run without, " +
			"and no pattern exempts one.",
		Why:    "Otherwise write access to the repository, or a mistake in the policy, is enough to run anything.",
		Source: `Binary Authorization, "Policy reference"`,
		stack:  func(resources []Resource) []finding { return signed(s, resources) },
	}}
}

// signed checks the policies of a stack that signs its images: by its configuration, or
// because its policy requires attestations.
func signed(s Settings, resources []Resource) []finding {
	var found []finding
	for _, r := range ofType(resources, admissionType) {
		policy := all(r)
		rules := append([]value{policy.at("defaultAdmissionRule")}, policy.at("clusterAdmissionRules").items()...)
		if s.SigningKey == "" && !rules[0].at("evaluationMode").is("REQUIRE_ATTESTATION") {
			continue
		}
		for _, f := range concat(each(rules, attested), each(policy.at("admissionWhitelistPatterns").items(), func(p value) []finding {
			return notOurs(p.at("namePattern"), resources)
		})) {
			f.resource = r
			found = append(found, f)
		}
	}
	return found
}

// attested reports an admission rule that lets unsigned images run.
func attested(rule value) []finding {
	return concat(rule.at("evaluationMode").must("REQUIRE_ATTESTATION", "ALWAYS_DENY"),
		rule.at("enforcementMode").must("ENFORCED_BLOCK_AND_AUDIT_LOG"))
}

// notOurs reports a pattern that covers an image of a repository that the stack pushes to.
// Such an image is HOST/PROJECT/REPOSITORY/IMAGE.
func notOurs(pattern value, resources []Resource) []finding {
	stem, deep := strings.CutSuffix(pattern.text(), "**")
	parts := strings.SplitN(strings.TrimSuffix(stem, "*"), "/", 4)
	for _, r := range ofType(resources, repositoryType) {
		repository := all(r)
		id := repository.at("repositoryId").text()
		inside := len(parts) == 4 && parts[2] == id
		above := deep && (len(parts) < 3 || len(parts) == 3 && strings.HasPrefix(id, parts[2]))
		if (inside || above) && !repository.at("mode").is("REMOTE_REPOSITORY") { // a remote repository mirrors images of others
			return pattern.wrong("must not cover images of the repository " + repository.at("repositoryId").show())
		}
	}
	return nil
}
