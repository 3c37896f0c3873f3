package gcp

import "testing"

func TestRefused_privateca(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("certificate's name", KindCertificate, with(certificateConfig(t), Properties{"name": "a.b"}), 400, "1-63 letters, digits, underscores and hyphens")
	refuse("certificate's lifetime", KindCertificate, with(certificateConfig(t), Properties{"lifetime": "90d"}), 400, "such as 3600s")
	refuse("certificate for ever", KindCertificate, with(certificateConfig(t), Properties{"lifetime": nil}), 400, "Required field 'lifetime'")
	refuse("certificate of nothing", KindCertificate, with(certificateConfig(t), Properties{"pemCsr": nil}), 400, "Exactly one of config and pem_csr")
	refuse("certificate of a broken request", KindCertificate, with(certificateConfig(t), Properties{"pemCsr": "x"}), 400, "must be a certificate signing request")
	refuse("certificate without a request", KindCertificate, with(certificateConfig(t), Properties{"config": Properties{}}), 400, "give pemCsr")
	refuse("certificate of a missing pool", KindCertificate, with(certificateConfig(t), Properties{"pool": "other"}), 404, "caPools/other' was not found")
	refuse("certificate elsewhere", KindCertificate, with(certificateConfig(t), Properties{"location": "mars"}), 400, "does not exist")
}
