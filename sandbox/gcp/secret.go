package gcp

import "regexp"

// secretMemberRule grants the use of a secret of Secret Manager. Like keys, secrets exist
// without being created: a person puts a token into one.
var secretMemberRule = &rule{
	kind: KindSecretMember, name: "projects/{project}/secrets/{secretId}/iam/{role}/{member}",
	permissions: binding("secretmanager.secrets", onObject),
	noun:        "IAM binding", idempotent: true, check: checkSecretMember, admit: admitMember,
}

// secretID matches a secret's ID ("projects.secrets.create", Secret Manager API).
var secretID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func checkSecretMember(p Properties) []Violation {
	c := &checker{p: p, found: checkMember(p)}
	c.match("secretId", secretID, "be 1-255 letters, digits, hyphens and underscores")
	return c.found
}
