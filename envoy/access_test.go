package envoy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"

	"grpc-edge/envoy"
)

// TestFilesRefusesAccess is about who may call.
func TestFilesRefusesAccess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*envoy.Config)
		want   []string
	}{
		"authority with port":   {func(c *envoy.Config) { c.Authorities = []string{"a.example:443"} }, []string{`Authorities[0]: "a.example:443"`}},
		"authority upper case":  {func(c *envoy.Config) { c.Authorities = []string{"A.example"} }, []string{`Authorities[0]: "A.example"`}},
		"authority with dot":    {func(c *envoy.Config) { c.Authorities = []string{"a.example."} }, []string{`Authorities[0]: "a.example."`}},
		"authority is address":  {func(c *envoy.Config) { c.Authorities = []string{"192.0.2.1"} }, []string{`Authorities[0]: "192.0.2.1"`}},
		"authority twice":       {func(c *envoy.Config) { c.Authorities = []string{"a.b", "a.b"} }, []string{"Authorities[1]", "Authorities[0]"}},
		"client CA not PEM":     {func(c *envoy.Config) { c.ClientCA = "secret" }, []string{"ClientCA: holds text that is not PEM"}},
		"client CA and text":    {func(c *envoy.Config) { c.ClientCA = certificate(t, true) + "more" }, []string{"ClientCA: holds text"}},
		"client CA is a key":    {func(c *envoy.Config) { c.ClientCA = block("PRIVATE KEY", nil) }, []string{"ClientCA: holds a PRIVATE KEY"}},
		"client CA is broken":   {func(c *envoy.Config) { c.ClientCA = block("CERTIFICATE", nil) }, []string{"ClientCA: reading"}},
		"client CA is a leaf":   {func(c *envoy.Config) { c.ClientCA = certificate(t, false) }, []string{"ClientCA:", "not that of an authority"}},
		"required without a CA": {func(c *envoy.Config) { c.ClientCertificateRequired = true }, []string{"ClientCertificateRequired", "ClientCA"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := tutorial(t)
			test.change(&config)
			refused(t, config, test.want)
		})
	}
}

// certificate is one in PEM, of an authority or not.
func certificate(t testing.TB, authority bool) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: authority, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der)
}

func block(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}
