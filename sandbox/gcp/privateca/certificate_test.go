package privateca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/privateca"
)

const certificateName = "projects/test-project/locations/us-central1/caPools/grpc-edge/certificates/leaf"

// certificateConfig describes a certificate that is valid for an hour.
func certificateConfig(t *testing.T) gcp.Properties {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"grpc.example.com"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return gcp.Properties{
		"name": "leaf", "pool": "grpc-edge", "location": "us-central1", "lifetime": "3600s",
		"pemCsr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})),
	}
}

// verify reads a certificate, which its chain must lead to the root of the pool.
func verify(t *testing.T, o gcp.Object, at time.Time) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(o.Properties().Text("pemCertificate")))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	chain := o.Properties().Texts("pemCertificateChains")
	roots, issuers := x509.NewCertPool(), x509.NewCertPool()
	if len(chain) != 2 || !issuers.AppendCertsFromPEM([]byte(chain[0])) || !roots.AppendCertsFromPEM([]byte(chain[1])) {
		t.Fatalf("the chain is %q, want the issuer and the root", chain)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, Intermediates: issuers, DNSName: "grpc.example.com", CurrentTime: at}); err != nil {
		t.Errorf("verifying the certificate: %v", err)
	}
	return certificate
}

func TestCertificatesOfAPool(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	dir, clock := t.TempDir(), gcp.WithClock(func() time.Time { return now })
	c := gcptest.Open(t, dir, gcptest.NewRuntime(), clock)
	config := certificateConfig(t)
	if _, err := c.Create(context.Background(), privateca.KindCertificate, gcptest.Here, config); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "Certificate Authority API has not been used") {
		t.Errorf("without the API: %v, want to be told so", err)
	}
	gcptest.Create(t, c, gcp.KindService, gcp.Properties{"service": "privateca.googleapis.com"})
	first := gcptest.Create(t, c, privateca.KindCertificate, config)
	if certificate := verify(t, first, now); certificate.NotAfter.Sub(now) != time.Hour {
		t.Errorf("the certificate ends %s, want an hour after %s", certificate.NotAfter, now)
	}

	changed, err := c.Update(context.Background(), certificateName, gcptest.Here, gcptest.With(config, gcp.Properties{"labels": gcp.Properties{"team": "edge"}}))
	if err != nil || changed.Properties().Text("pemCertificate") != first.Properties().Text("pemCertificate") {
		t.Errorf("another label: %v, want the same certificate", err)
	}

	// The root belongs to the pool, and outlives the emulator.
	c = gcptest.Open(t, dir, gcptest.NewRuntime(), clock)
	second := gcptest.Create(t, c, privateca.KindCertificate, gcptest.With(config, gcp.Properties{"name": "second", "lifetime": "999999999s"}))
	if root := second.Properties().Texts("pemCertificateChains")[1]; root != first.Properties().Texts("pemCertificateChains")[1] {
		t.Error("the pool has another root after a restart")
	}
	if certificate := verify(t, second, now); certificate.NotAfter != now.AddDate(5, 0, 0) {
		t.Errorf("the certificate ends %s, after its issuer", certificate.NotAfter)
	}

	gcptest.Remove(t, c, certificateName)
	now = now.AddDate(50, 0, 0)
	if _, err := c.Create(context.Background(), privateca.KindCertificate, gcptest.Here, config); gcptest.Code(err) != 409 {
		t.Errorf("the name of a revoked certificate: %v, want 409", err)
	}
}
