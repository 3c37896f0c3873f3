package kms

import (
	"cmp"
	"fmt"
	"regexp"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

// cryptoKeyMemberResource grants the use of a Cloud KMS key. Like projects, keys exist without being
// created: a stack uses a key that outlives it.
var cryptoKeyMemberResource = &gcp.Resource{
	Kind: KindCryptoKeyMember, Noun: "IAM binding", Name: "{cryptoKeyId}/iam/{role}/{member}",
	Permissions: gcp.Binding("cloudkms.cryptoKeys", gcp.OnObject),
	Idempotent:  true, Check: checkCryptoKeyMember, Admit: iam.AdmitMember,
}

// cryptoKey matches a key's name ("Resource IDs", Cloud KMS).
var cryptoKey = regexp.MustCompile(`^projects/[^/]+/locations/([^/]+)/keyRings/[a-zA-Z0-9_-]{1,63}/cryptoKeys/[a-zA-Z0-9_-]{1,63}$`)

func checkCryptoKeyMember(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p, Found: iam.CheckMember(p)}
	c.Match("cryptoKeyId", cryptoKey, "be the resource name of a key")
	return c.Found
}

// encrypter is the role that lets a service agent use a key (each product's page
// on customer-managed encryption keys).
const encrypter = "roles/cloudkms.cryptoKeyEncrypterDecrypter"

// MayEncrypt checks that the agent of a service may use a key, and that the key is in the same
// location as the data that it encrypts.
func MayEncrypt(t *gcp.Change, key, agent string) error {
	if key == "" {
		return nil
	}
	parts := cryptoKey.FindStringSubmatch(key)
	at := cmp.Or(t.New.Status.Text("location"), t.New.Status.Text("region"))
	if parts == nil || parts[1] != gcp.RegionOf(at) {
		return gcp.BadRequest("The Cloud KMS key %q must be in the same location as the resource, %s.", key, gcp.RegionOf(at))
	}
	email := fmt.Sprintf("service-%s@%s.iam.gserviceaccount.com", gcp.ProjectNumber(t.New.Project()), agent)
	// The deployer's own rights are not those of the agent.
	if o, ok := t.Object(key + "/iam/" + encrypter + "/serviceAccount:" + email); !ok || !o.Made() {
		return &gcp.Error{Code: 403, Reason: "forbidden", Message: fmt.Sprintf("Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' "+
			"denied on resource '%s' (or it may not exist): grant %s on it to %s.", key, encrypter, email)}
	}
	return nil
}
