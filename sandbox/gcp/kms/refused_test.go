package kms_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("key", kms.KindCryptoKeyMember, gcp.Properties{"cryptoKeyId": "my-key", "role": "roles/viewer", "member": gcptest.Member}, 400, "must be the resource name of a key")
	refuse("condition of a key", kms.KindCryptoKeyMember, gcp.Properties{"cryptoKeyId": gcptest.KeyName, "role": "roles/browser", "member": gcptest.Member,
		"condition": gcp.Properties{"title": "if", "expression": "true"}}, 400, "on projects and buckets only")
}
