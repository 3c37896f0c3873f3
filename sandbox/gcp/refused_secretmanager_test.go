package gcp

import "testing"

func TestRefused_secretmanager(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("secret's name", KindSecretMember, Properties{"secretId": "a.b", "role": "roles/secretmanager.secretAccessor", "member": "user:a@example.com"}, 400, "1-255 letters")
}
