package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/grpc-edge/internal/selfsigned"
)

func TestProvidedCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	chain, key := pair(t, "grpc.example.com", now.Add(-time.Hour), now.Add(time.Hour))
	otherName, otherNameKey := pair(t, "other.example.com", now.Add(-time.Hour), now.Add(time.Hour))
	old, oldKey := pair(t, "grpc.example.com", now.Add(-2*time.Hour), now.Add(-time.Hour))
	early, earlyKey := pair(t, "grpc.example.com", now.Add(48*time.Hour), now.Add(72*time.Hour))
	day := func(at time.Time) string { return at.UTC().Format(time.DateOnly) }
	tests := []struct{ name, mode, chain, key, want string }{
		{"good", "provided", chain, key, ""},
		{"key of another", "provided", chain, otherNameKey,
			"  grpc-edge:certificateKeyPem must be the private key of the first certificate in grpc-edge:certificatePem: tls: private key does not match public key"},
		{"name", "provided", otherName, otherNameKey,
			"  grpc-edge:certificatePem is for other.example.com, not for grpc.example.com of grpc-edge:authorities; change one of them"},
		{"expired", "provided", old, oldKey, "  grpc-edge:certificatePem expired on " + day(now.Add(-time.Hour)) + "; renew it"},
		{"not yet valid", "provided", early, earlyKey,
			"  grpc-edge:certificatePem is not valid before " + day(now.Add(48*time.Hour)) + "; use one that is valid now"},
		{"nothing", "provided", "", "",
			"  grpc-edge:certificateKeyPem must be a PEM private key without a passphrase, as grpc-edge:certificate is provided\n" +
				"  grpc-edge:certificatePem must be a PEM certificate chain, leaf first, as grpc-edge:certificate is provided"},
		{"unused", "self-signed", chain, "",
			"  grpc-edge:certificatePem is set, but grpc-edge:certificate is \"self-signed\"; set that to provided, or remove this from the file of the stack"},
	}
	for _, test := range tests {
		c, err := load(t, sandbox(t, map[string]string{
			"grpc-edge:certificate": test.mode, "grpc-edge:certificatePem": test.chain, "grpc-edge:certificateKeyPem": test.key,
		}), "grpc-edge:certificateKeyPem")
		if diff := cmp.Diff(test.want, message(err)); diff != "" {
			t.Errorf("%s: error (-want +got):\n%s", test.name, diff)
		}
		if err == nil && (c.Certificate.Kind != Provided || c.Certificate.PEM != chain || c.Certificate.KeyPEM != key) {
			t.Errorf("%s: the certificate is not used", test.name)
		}
	}
}

// TestCertificateOfSeveralNames checks that a provided certificate must cover all names.
func TestCertificateOfSeveralNames(t *testing.T) {
	t.Parallel()
	now := time.Now()
	chain, key := pair(t, "*.example.com", now.Add(-time.Hour), now.Add(time.Hour))
	for authorities, want := range map[string]string{
		`["grpc.example.com", "partners.example.com"]`: "",
		`["grpc.example.com", "a.b.example.com", "example.com"]`: "  grpc-edge:certificatePem is for *.example.com, " +
			"not for a.b.example.com, example.com of grpc-edge:authorities; change one of them",
	} {
		_, err := load(t, sandbox(t, map[string]string{
			"grpc-edge:authorities": authorities,
			"grpc-edge:certificate": "provided", "grpc-edge:certificatePem": chain, "grpc-edge:certificateKeyPem": key,
		}), "grpc-edge:certificateKeyPem")
		if diff := cmp.Diff(want, message(err)); diff != "" {
			t.Errorf("%s: error (-want +got):\n%s", authorities, diff)
		}
	}
}

// TestPlaintextKey checks that a plain private key is reported instead of other faults of the
// key, and hides no problem of other keys.
func TestPlaintextKey(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const plaintext = "  grpc-edge:certificateKeyPem is not encrypted; remove it from the file and use: pulumi config set --secret certificateKeyPem < key.pem"
	chain, key := pair(t, "grpc.example.com", now.Add(-time.Hour), now.Add(time.Hour))
	otherName, otherNameKey := pair(t, "other.example.com", now.Add(-time.Hour), now.Add(time.Hour))
	tests := []struct{ name, mode, chain, key, want string }{
		{"good otherwise", "provided", chain, key, plaintext},
		{"no key", "provided", chain, "not PEM", plaintext},
		{"key of another", "provided", chain, otherNameKey, plaintext},
		{"unused", "self-signed", "", key, plaintext},
		{"name", "provided", otherName, otherNameKey, plaintext +
			"\n  grpc-edge:certificatePem is for other.example.com, not for grpc.example.com of grpc-edge:authorities; change one of them"},
	}
	for _, test := range tests {
		_, err := load(t, sandbox(t, map[string]string{
			"grpc-edge:certificate": test.mode, "grpc-edge:certificatePem": test.chain, "grpc-edge:certificateKeyPem": test.key,
		}), "grpc-edge:certificatePem")
		if diff := cmp.Diff(test.want, message(err)); diff != "" {
			t.Errorf("%s: error (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestIssuedCertificate(t *testing.T) {
	t.Parallel()
	const pool = "projects/my-project/locations/europe-west1/caPools/My_pool-1"
	const issuer = `{"name":"letsencrypt","kind":"ClusterIssuer"}`
	tests := []struct {
		name                            string
		kind, issuer, pool, days, await string
		want                            string
	}{
		{"issuer", CertManager, issuer, "", "45", "10", ""},
		{"issuer with the address", CertManager, `{"name":"a.b","kind":"GoogleCASIssuer","ipAddress":true}`, "", "398", "86400", ""},
		{"pool", CertificateAuthorityService, "{}", pool, "90", "600", ""},
		{"kind", "acme", "{}", "", "90", "600",
			`  grpc-edge:certificate is "acme"; it must be one of self-signed, provided, cert-manager, certificate-authority-service`},
		{"no issuer", CertManager, "{}", "", "90", "600",
			`  grpc-edge:certificateIssuer has the name ""; it must be that of an issuer in the cluster, as grpc-edge:certificate is cert-manager`},
		{"issuer's kind", CertManager, `{"name":"a","kind":"VaultIssuer"}`, "", "90", "600",
			`  grpc-edge:certificateIssuer has the kind "VaultIssuer"; it must be one of ClusterIssuer, GoogleCASClusterIssuer, GoogleCASIssuer, Issuer`},
		{"issuer's field", CertManager, `{"name":"a","kind":"Issuer","group":"cert-manager.io"}`, "", "90", "600",
			`  grpc-edge:certificateIssuer.group is unknown; there may be name, kind, ipAddress`},
		{"no pool", CertificateAuthorityService, "{}", "", "90", "600",
			`  grpc-edge:certificateAuthorityPool is ""; it must be projects/PROJECT/locations/REGION/caPools/POOL, as grpc-edge:certificate is certificate-authority-service`},
		{"pool's ID alone", CertificateAuthorityService, "{}", "my-pool", "90", "600",
			`  grpc-edge:certificateAuthorityPool is "my-pool"; it must be projects/PROJECT/locations/REGION/caPools/POOL, as grpc-edge:certificate is certificate-authority-service`},
		{"pool in a zone", CertificateAuthorityService, "{}", "projects/my-project/locations/us-central1-a/caPools/p", "90", "600",
			`  grpc-edge:certificateAuthorityPool is "projects/my-project/locations/us-central1-a/caPools/p"; it must be projects/PROJECT/locations/REGION/caPools/POOL, as grpc-edge:certificate is certificate-authority-service`},
		{"an authority for a pool", CertificateAuthorityService, "{}", pool + "/certificateAuthorities/ca", "90", "600",
			`  grpc-edge:certificateAuthorityPool is "` + pool + `/certificateAuthorities/ca"; it must be projects/PROJECT/locations/REGION/caPools/POOL, as grpc-edge:certificate is certificate-authority-service`},
		{"issuer and pool for nothing", SelfSigned, issuer, pool, "90", "600",
			"  grpc-edge:certificateAuthorityPool is set, but grpc-edge:certificate is \"self-signed\"; set that to certificate-authority-service, or remove this from the file of the stack\n" +
				"  grpc-edge:certificateIssuer is set, but grpc-edge:certificate is \"self-signed\"; set that to cert-manager, or remove this from the file of the stack"},
		{"times", SelfSigned, "{}", "", "44", "9",
			"  grpc-edge:certificateLifetimeDays is \"44\"; it must be a whole number from 45 to 398\n" +
				"  grpc-edge:certificateWaitSeconds is \"9\"; it must be a whole number from 10 to 86400"},
	}
	for _, test := range tests {
		_, err := load(t, sandbox(t, map[string]string{
			"grpc-edge:certificate": test.kind, "grpc-edge:certificateIssuer": test.issuer, "grpc-edge:certificateAuthorityPool": test.pool,
			"grpc-edge:certificateLifetimeDays": test.days, "grpc-edge:certificateWaitSeconds": test.await,
		}))
		if diff := cmp.Diff(test.want, message(err)); diff != "" {
			t.Errorf("%s: error (-want +got):\n%s", test.name, diff)
		}
	}
	c, err := load(t, sandbox(t, map[string]string{"grpc-edge:certificate": CertificateAuthorityService, "grpc-edge:certificateAuthorityPool": pool}))
	want := Certificate{Kind: CertificateAuthorityService, LifetimeDays: 90, Pool: Pool{"my-project", "europe-west1", "My_pool-1"}}
	if diff := cmp.Diff(want, c.Certificate); err != nil || diff != "" {
		t.Errorf("pool: %v (-want +got):\n%s", err, diff)
	}
	c, err = load(t, sandbox(t, map[string]string{"grpc-edge:certificate": CertManager, "grpc-edge:certificateIssuer": issuer}))
	want = Certificate{Kind: CertManager, LifetimeDays: 90, Issuer: Issuer{Name: "letsencrypt", Kind: "ClusterIssuer", Wait: 10 * time.Minute}}
	if diff := cmp.Diff(want, c.Certificate); err != nil || diff != "" {
		t.Errorf("issuer: %v (-want +got):\n%s", err, diff)
	}
}

func pair(t *testing.T, name string, from, until time.Time) (chain, key string) {
	t.Helper()
	chain, key, err := selfsigned.New(name, from, until)
	if err != nil {
		t.Fatal(err)
	}
	return chain, key
}
