package privateca_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/privateca"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("certificate's name", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"name": "a.b"}), 400, "1-63 letters, digits, underscores and hyphens")
	refuse("certificate's lifetime", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"lifetime": "90d"}), 400, "such as 3600s")
	refuse("certificate for ever", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"lifetime": nil}), 400, "Required field 'lifetime'")
	refuse("certificate of nothing", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"pemCsr": nil}), 400, "Exactly one of config and pem_csr")
	refuse("certificate of a broken request", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"pemCsr": "x"}), 400, "must be a certificate signing request")
	refuse("certificate without a request", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"config": gcp.Properties{}}), 400, "give pemCsr")
	refuse("certificate of a missing pool", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"pool": "other"}), 404, "caPools/other' was not found")
	refuse("certificate elsewhere", privateca.KindCertificate, gcptest.With(certificateConfig(t), gcp.Properties{"location": "mars"}), 400, "does not exist")
}
