package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// provided is configuration with a certificate of the user's own, and its key.
func provided(t *testing.T) (changes map[string]string, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"grpc.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	chain, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return map[string]string{
		"grpc-edge:certificate":       "provided",
		"grpc-edge:certificatePem":    string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain})),
		"grpc-edge:certificateKeyPem": key,
	}, key
}

// With a certificate of the user's own nothing is signed, and clients need no
// further authority.
func TestProvidedCertificate(t *testing.T) {
	changes, _ := provided(t)
	result := mustRun(t, "sandbox", false, changes)
	for _, r := range result.resources {
		if strings.HasPrefix(r.Type, "tls:") {
			t.Errorf("%s %s is made although a certificate is provided", r.Type, r.Name)
		}
	}
	if authority := plain(result.outputs["caCertificate"]); authority != "" {
		t.Errorf("caCertificate = %v, want none", authority)
	}
	command := plain(at(result.outputs, `grpcurl["api.Echo/Echo"]`))
	if want := "grpcurl -authority grpc.example.com "; !strings.HasPrefix(command.(string), want) {
		t.Errorf("grpcurl command = %v, want %s…", command, want)
	}
}

// The SDK tells a value in the clear from an encrypted one.
func TestPlaintextKeyIsRefused(t *testing.T) {
	changes, _ := provided(t)
	config := configOf(t, "sandbox")
	maps.Copy(config, changes)
	c := &cloud{preview: true}
	address := c.start(t)
	err := pulumi.RunErr(program, func(info *pulumi.RunInfo) {
		*info = pulumi.RunInfo{
			Project: "grpc-edge", Stack: "sandbox", RootDirectory: root, Config: config, DryRun: true,
			MonitorAddr: address, EngineAddr: address,
		}
	})
	want := "grpc-edge:certificateKeyPem is not encrypted; remove it from the file and use: pulumi config set --secret certificateKeyPem < key.pem"
	if err == nil || !strings.Contains(err.Error(), want) || len(c.resources) > 0 {
		t.Errorf("error = %v and %d resources, want %q and none", err, len(c.resources), want)
	}
}

func TestSelfSignedCertificate(t *testing.T) {
	result := mustRun(t, "sandbox", false, nil)
	check(t, result.ofType(t, "tls:index/certRequest:CertRequest")[0], map[string]any{
		"dnsNames": []any{"grpc.example.com"}, "ipAddresses": []any{"203.0.113.10"},
	})
	check(t, result.ofType(t, "tls:index/locallySignedCert:LocallySignedCert")[0], map[string]any{
		"validityPeriodHours": 2160.0, "earlyRenewalHours": 720.0, "allowedUses": []any{"digital_signature", "server_auth"},
	})
	for _, r := range result.ofType(t, "tls:index/privateKey:PrivateKey") {
		check(t, r, map[string]any{"algorithm": "ECDSA", "ecdsaCurve": "P256"})
	}
}
