package gcp

import (
	"cmp"
	"fmt"
	"regexp"
)

// cryptoKeyMemberRule grants the use of a Cloud KMS key. Like projects, keys exist without being
// created: a stack uses a key that outlives it.
var cryptoKeyMemberRule = &rule{
	kind: KindCryptoKeyMember, name: "{cryptoKeyId}/iam/{role}/{member}",
	permissions: binding("cloudkms.cryptoKeys", onObject),
	noun:        "IAM binding", idempotent: true, check: checkCryptoKeyMember, admit: admitMember,
}

// cryptoKey matches a key's name ("Resource IDs", Cloud KMS).
var cryptoKey = regexp.MustCompile(`^projects/[^/]+/locations/([^/]+)/keyRings/[a-zA-Z0-9_-]{1,63}/cryptoKeys/[a-zA-Z0-9_-]{1,63}$`)

func checkCryptoKeyMember(p Properties) []Violation {
	c := &checker{p: p, found: checkMember(p)}
	c.match("cryptoKeyId", cryptoKey, "be the resource name of a key")
	return c.found
}

// encrypter is the role that lets a service agent use a key (each product's page
// on customer-managed encryption keys).
const encrypter = "roles/cloudkms.cryptoKeyEncrypterDecrypter"

// mayEncrypt checks that the agent of a service may use a key, and that the key is in the
// location of what it encrypts.
func (t *change) mayEncrypt(key, agent string) error {
	if key == "" {
		return nil
	}
	parts := cryptoKey.FindStringSubmatch(key)
	at := cmp.Or(t.new.Status.str("location"), t.new.Status.str("region"))
	if parts == nil || parts[1] != regionOf(at) {
		return badRequest("The Cloud KMS key %q must be in the same location as the resource, %s.", key, regionOf(at))
	}
	email := fmt.Sprintf("service-%s@%s.iam.gserviceaccount.com", ProjectNumber(t.new.project()), agent)
	// The deployer's own rights are not those of the agent.
	if o, ok := t.object(key + "/iam/" + encrypter + "/serviceAccount:" + email); !ok || !o.made() {
		return &Error{Code: 403, Reason: "forbidden", Message: fmt.Sprintf("Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' "+
			"denied on resource '%s' (or it may not exist): grant %s on it to %s.", key, encrypter, email)}
	}
	return nil
}
