package secretmanager_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("secret's name", secretmanager.KindSecretMember, gcp.Properties{"secretId": "a.b", "role": "roles/secretmanager.secretAccessor", "member": gcptest.Member}, 400, "1-255 letters")
}
