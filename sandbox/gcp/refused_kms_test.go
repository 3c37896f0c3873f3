package gcp

import "testing"

func TestRefused_kms(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("key", KindCryptoKeyMember, Properties{"cryptoKeyId": "my-key", "role": "roles/viewer", "member": "allUsers"}, 400, "must be the resource name of a key")
	refuse("condition of a key", KindCryptoKeyMember, Properties{"cryptoKeyId": testKey, "role": "roles/browser", "member": "user:a@example.com",
		"condition": Properties{"title": "if", "expression": "true"}}, 400, "on projects and buckets only")
}
