package serviceusage_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/serviceusage"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("agent of another service", serviceusage.KindServiceIdentity, gcp.Properties{"service": "run.googleapis.com"}, 400, "not emulated")
	refuse("service", gcp.KindService, gcp.Properties{"service": "compote.googleapis.com"}, 403, "Not found or permission denied for service(s): compote.googleapis.com., forbidden")
	refuse("service short", gcp.KindService, gcp.Properties{"service": "compute"}, 400, "full name of a service")
}
