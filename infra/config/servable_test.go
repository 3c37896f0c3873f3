package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key crypto.Signer
}

// issueTo signs a certificate for servers with an issuer, or with the key itself if the
// issuer is nil. The argument change may break the certificate.
func issueTo(t *testing.T, key crypto.Signer, issuer *issued, change func(*x509.Certificate)) *issued {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: t.Name()},
		DNSNames: []string{"grpc.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.Certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{certificate, key}
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = pkix.Name{CommonName: name}, true, true, x509.KeyUsageCertSign, nil
	}
}

func onCurve(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func withRSA(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func encoded(certificates ...*issued) string {
	var text strings.Builder
	for _, c := range certificates {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return text.String()
}

// served reports whether real Envoy accepts the certificate, by having it validate a listener with it.
func served(t *testing.T, chain, key string) bool {
	t.Helper()
	binary := os.Getenv("ENVOY")
	if binary == "" {
		binary = filepath.Join("..", "..", ".cache", "bin", "envoy")
	}
	inline := func(text string) map[string]string { return map[string]string{"inline_string": text} }
	listener := map[string]any{
		"address": map[string]any{"socket_address": map[string]any{"address": "127.0.0.1", "port_value": 0}},
		"filter_chains": []any{map[string]any{
			"filters": []any{map[string]any{"name": "echo", "typed_config": map[string]any{
				"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo",
			}}},
			"transport_socket": map[string]any{"name": "tls", "typed_config": map[string]any{
				"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
				"common_tls_context": map[string]any{
					"tls_certificates": []any{map[string]any{"certificate_chain": inline(chain), "private_key": inline(key)}},
				},
			}},
		}},
	}
	bootstrap, err := json.Marshal(map[string]any{"static_resources": map[string]any{"listeners": []any{listener}}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "--mode", "validate", "--config-yaml", string(bootstrap)).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("this test needs the real Envoy: %v; run `make tools`, or set ENVOY to its path", err)
	}
	if err != nil && !strings.Contains(string(out), "certificate") && !strings.Contains(string(out), "private key") {
		t.Fatalf("Envoy refused the listener for another reason: %s", out)
	}
	return err == nil
}

// TestServableCertificates checks certificates that real Envoy refuses, and those that its
// clients would refuse: whatever passes the check, Envoy serves.
func TestServableCertificates(t *testing.T) {
	t.Parallel()
	p256 := onCurve(t, elliptic.P256())
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsa1024, rsa2048 := withRSA(t, 1024), withRSA(t, 2048)
	p224, p384, p521 := onCurve(t, elliptic.P224()), onCurve(t, elliptic.P384()), onCurve(t, elliptic.P521())
	root := issueTo(t, onCurve(t, elliptic.P256()), nil, authority("root"))
	intermediate := issueTo(t, onCurve(t, elliptic.P256()), root, authority("intermediate"))
	expired := issueTo(t, intermediate.key, root, func(c *x509.Certificate) {
		authority("intermediate")(c)
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	})
	leaf := issueTo(t, p256, intermediate, nil)
	below := func(key crypto.Signer) string {
		issuer := issueTo(t, key, root, authority("intermediate"))
		return encoded(issueTo(t, p256, issuer, nil), issuer)
	}
	usage := func(usage x509.KeyUsage, extended ...x509.ExtKeyUsage) *issued {
		return issueTo(t, p256, nil, func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = usage, extended })
	}
	sha1 := issueTo(t, p256, issueTo(t, withRSA(t, 2048), nil, authority("RSA root")), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, test := range []struct {
		name, chain   string
		key           crypto.Signer
		problem, warn string
		refused       bool // by Envoy
	}{
		{"chain", encoded(leaf, intermediate), p256, "", "", false},
		{"chain with its root", encoded(leaf, intermediate, root), p256, "", "", false},
		{"both usages", encoded(usage(x509.KeyUsageDigitalSignature, both...)), p256, "", "", false},
		{"no usages", encoded(usage(0)), p256, "", "", false},
		{"RSA 1024", encoded(issueTo(t, rsa1024, nil, nil)), rsa1024, "has a key of RSA with 1024 bits, which Envoy does not serve or clients do not take", "", true},
		{"RSA 2048", encoded(issueTo(t, rsa2048, nil, nil)), rsa2048, "", "", false},
		{"P-224", encoded(issueTo(t, p224, nil, nil)), p224, "has a key of ECDSA on P-224, which Envoy does not serve", "", true},
		{"P-384", encoded(issueTo(t, p384, nil, nil)), p384, "", "", false},
		{"P-521", encoded(issueTo(t, p521, nil, nil)), p521, "", "has a key of ECDSA on P-521, which no browser takes", false},
		{"Ed25519", encoded(issueTo(t, ed, nil, nil)), ed, "", "has a key of Ed25519, which no browser takes", false},
		{"clients only", encoded(usage(x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)), p256, "without TLS server authentication", "", false},
		{"signing only", encoded(usage(x509.KeyUsageCertSign)), p256, "without digital signature, which Envoy does not serve", "", true},
		{"broken intermediate", encoded(leaf) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", p256, "a certificate at place 2 that can't be read", "", true},
		{"intermediate with a wrong line", encoded(leaf) + "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", p256, "has a block that is not PEM", "", true},
		{"intermediate cut off", encoded(leaf) + encoded(intermediate)[:200], p256, "has a block that is not PEM", "", true},
		{"intermediate without its first line", encoded(leaf) + encoded(intermediate)[len("-----BEGIN CERTIFICATE-----\n"):], p256, "has a block that is not PEM", "", false},
		{"key in the chain", encoded(leaf) + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", p256, "holds a PRIVATE KEY; leave only certificates", "", false},
		{"wrong order", encoded(leaf, root, intermediate), p256, "at place 2, which has not signed the one before", "", false},
		{"expired intermediate", encoded(leaf, expired), p256, "at place 2, which expired on", "", false},
		{"RSA 1024 intermediate", below(rsa1024), p256, "at place 2 with a key of RSA with 1024 bits, which clients do not take", "", false},
		{"P-224 intermediate", below(p224), p256, "at place 2 with a key of ECDSA on P-224, which clients do not take", "", false},
		{"Ed25519 intermediate", below(ed), p256, "", "has a key of Ed25519 at place 2, which no browser takes", false},
		{"SHA-1", encoded(sha1), p256, "signed with SHA1-RSA, which no client of today takes", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			der, err := x509.MarshalPKCS8PrivateKey(test.key)
			if err != nil {
				t.Fatal(err)
			}
			key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
			r := &reader{problems: map[string]string{}}
			r.checkPair(test.chain, key, []string{"grpc.example.com"})
			if got := message(r.err()); (test.problem == "") != (got == "") || !strings.Contains(got, test.problem) {
				t.Errorf("problem %q, want %q", got, test.problem)
			}
			if got := strings.Join(r.warnings, "; "); (test.warn == "") != (got == "") || !strings.Contains(got, test.warn) {
				t.Errorf("warning %q, want %q", got, test.warn)
			}
			if got := !served(t, test.chain, key); got != test.refused {
				t.Errorf("Envoy refuses it: %v, want %v", got, test.refused)
			}
		})
	}
}

// TestServableKey has RSA keys that take too long to make.
func TestServableKey(t *testing.T) {
	t.Parallel()
	for bits, want := range map[uint]bool{2047: false, 2048: true, 8192: true, 8193: false} {
		key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
		if got := servableKey(&x509.Certificate{PublicKey: key}); got != want {
			t.Errorf("servableKey() of RSA with %d bits = %t, want %t", bits, got, want)
		}
	}
}
