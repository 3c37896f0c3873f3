package secretmanager

import (
	"regexp"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

// secretMemberResource grants the use of a secret of Secret Manager. Like keys, secrets exist
// without being created: a person puts a token into one.
var secretMemberResource = &gcp.Resource{
	Kind: KindSecretMember, Noun: "IAM binding", Name: "projects/{project}/secrets/{secretId}/iam/{role}/{member}",
	Permissions: gcp.Binding("secretmanager.secrets", gcp.OnObject),
	Idempotent:  true, Check: checkSecretMember, Admit: iam.AdmitMember,
}

// secretID matches a secret's ID ("projects.secrets.create", Secret Manager API).
var secretID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func checkSecretMember(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p, Found: iam.CheckMember(p)}
	c.Match("secretId", secretID, "be 1-255 letters, digits, hyphens and underscores")
	return c.Found
}
