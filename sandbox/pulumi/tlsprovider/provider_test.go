package tlsprovider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

type bag = map[string]any

const (
	keyToken     = "tls:index/privateKey:PrivateKey"
	requestToken = "tls:index/certRequest:CertRequest"
	selfToken    = "tls:index/selfSignedCert:SelfSignedCert"
	localToken   = "tls:index/locallySignedCert:LocallySignedCert"
)

func properties(t *testing.T, inputs bag) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(inputs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// create checks and creates a resource; its outputs are without secret markers.
func create(t *testing.T, p *provider, token string, inputs bag) bag {
	t.Helper()
	news := properties(t, inputs)
	check, err := p.Check(context.Background(), &pulumirpc.CheckRequest{Type: token, News: news})
	if err != nil || len(check.Failures) > 0 {
		t.Fatalf("Check(%s) = %v, %v", token, check.GetFailures(), err)
	}
	created, err := p.Create(context.Background(), &pulumirpc.CreateRequest{Type: token, Properties: check.Inputs})
	if err != nil {
		t.Fatalf("Create(%s): %v", token, err)
	}
	if created.Id == "" {
		t.Errorf("Create(%s) gave no ID", token)
	}
	plain, err := plugin.UnmarshalProperties(created.Properties, plugin.MarshalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return plain.Mappable()
}

func certificateOf(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no PEM in %q", text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// p256 describes the key that stacks have.
var p256 = bag{"algorithm": "ECDSA", "ecdsaCurve": "P256"}

// TestChainIsAcceptedByTLS checks that a TLS client which trusts the CA accepts the certificate
// that it signed, and that all forms of a key hold the same key.
func TestChainIsAcceptedByTLS(t *testing.T) {
	t.Parallel()
	p := &provider{now: time.Now}
	caKey, serverKey := create(t, p, keyToken, p256), create(t, p, keyToken, p256)
	ca := create(t, p, selfToken, bag{
		"privateKeyPem": caKey["privateKeyPem"], "isCaCertificate": true, "validityPeriodHours": 48,
		"allowedUses": []any{"cert_signing"}, "subject": bag{"commonName": "test CA"},
	})
	request := create(t, p, requestToken, bag{
		"privateKeyPem": serverKey["privateKeyPem"], "subject": bag{"commonName": "echo.test"},
		"dnsNames": []any{"echo.test"}, "ipAddresses": []any{"127.0.0.1"},
	})
	leaf := create(t, p, localToken, bag{
		"certRequestPem": request["certRequestPem"], "caCertPem": ca["certPem"],
		"caPrivateKeyPem": caKey["privateKeyPem"], "validityPeriodHours": 24,
		"allowedUses": []any{"digital_signature", "server_auth"},
	})
	serve(t, ca["certPem"].(string), leaf["certPem"].(string), serverKey["privateKeyPemPkcs8"].(string))

	cert := certificateOf(t, leaf["certPem"].(string))
	if cert.Subject.CommonName != "echo.test" || cert.IsCA {
		t.Errorf("leaf: subject %v, IsCA %v", cert.Subject, cert.IsCA)
	}
	if got := cert.NotAfter.Sub(cert.NotBefore); got != 24*time.Hour {
		t.Errorf("leaf is valid for %v, want 24h", got)
	}
	if leaf["caKeyAlgorithm"] != p256["algorithm"] || request["keyAlgorithm"] != p256["algorithm"] {
		t.Errorf("algorithms %v and %v, want %v", leaf["caKeyAlgorithm"], request["keyAlgorithm"], p256["algorithm"])
	}
	sameKey(t, caKey)
}

// serve does a TLS handshake over loopback with a client that trusts the CA only.
func serve(t *testing.T, ca, cert, key string) {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		t.Fatal("the CA's PEM holds no certificate")
	}
	client, server := net.Pipe()
	go func() {
		_ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
	}()
	if err := tls.Client(client, &tls.Config{RootCAs: roots, ServerName: "echo.test"}).Handshake(); err != nil {
		t.Errorf("TLS handshake: %v", err)
	}
}

// sameKey compares the forms of one key.
func sameKey(t *testing.T, key bag) {
	t.Helper()
	for _, form := range []string{"privateKeyPem", "privateKeyPemPkcs8"} {
		signer, err := parseKey(key[form].(string))
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		der, err := x509.MarshalPKIXPublicKey(signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		if got := encodePEM("PUBLIC KEY", der); got != key["publicKeyPem"] {
			t.Errorf("the public key of %s is %s, want %s", form, got, key["publicKeyPem"])
		}
	}
}

func TestSelfSignedKeyIdentifier(t *testing.T) {
	t.Parallel()
	p := &provider{now: time.Now}
	key := create(t, p, keyToken, p256)
	self := create(t, p, selfToken, bag{
		"privateKeyPem": key["privateKeyPem"], "validityPeriodHours": 1, "allowedUses": []any{},
		"setSubjectKeyId": true,
	})
	if cert := certificateOf(t, self["certPem"].(string)); len(cert.SubjectKeyId) != 20 {
		t.Errorf("subject key ID %x, want 20 bytes", cert.SubjectKeyId)
	}
}

func TestPrivateKeysAreSecret(t *testing.T) {
	t.Parallel()
	p := &provider{now: time.Now}
	created, err := p.Create(context.Background(), &pulumirpc.CreateRequest{
		Type: keyToken, Properties: properties(t, p256),
	})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := plugin.UnmarshalProperties(created.Properties, plugin.MarshalOptions{KeepSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range outputs {
		want := strings.HasPrefix(string(name), "privateKey")
		if value.IsSecret() != want {
			t.Errorf("output %s is secret: %v, want %v", name, value.IsSecret(), want)
		}
	}
}

func TestCheckNamesEveryProblem(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, token string
		inputs      bag
		want        []string
	}{
		{"algorithm, curve and size", keyToken, bag{"algorithm": "DSA", "ecdsaCurve": "P1", "rsaBits": 512},
			[]string{"algorithm", "ecdsaCurve", "rsaBits"}},
		{"unknown input", keyToken, bag{"algorithm": "ECDSA", "ecdsaCurve": "P256", "bits": 1}, []string{""}},
		{"another algorithm", keyToken, bag{"algorithm": "RSA", "ecdsaCurve": "P256"}, []string{"algorithm"}},
		{"the default curve", keyToken, bag{"algorithm": "ECDSA"}, []string{"ecdsaCurve"}},
		{"addresses", requestToken, bag{"privateKeyPem": "x", "ipAddresses": []any{"1.2.3"}},
			[]string{"ipAddresses[0]", "privateKeyPem"}},
		{"URIs", requestToken, bag{"uris": []any{"spiffe://test/echo"}}, []string{""}},
		{"an organization", requestToken, bag{"subject": bag{"organization": "Test"}}, []string{""}},
		{"a key ID of the authority", selfToken, bag{"setAuthorityKeyId": true}, []string{""}},
		{"an intermediate authority", localToken, bag{"isCaCertificate": true}, []string{""}},
		{"uses and hours", localToken, bag{"allowedUses": []any{"client_auth"}, "validityPeriodHours": -1},
			[]string{"allowedUses[0]", "caCertPem", "caPrivateKeyPem", "certRequestPem", "validityPeriodHours"}},
		{"not known yet", localToken, bag{"caCertPem": plugin.UnknownStringValue}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, err := (&provider{now: time.Now}).Check(context.Background(),
				&pulumirpc.CheckRequest{Type: c.token, News: properties(t, c.inputs)})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range resp.Failures {
				got = append(got, f.Property)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("Check() found problems with %q, want %q", got, c.want)
			}
		})
	}
}

func TestDiffAndRenewal(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	inputs := bag{"validityPeriodHours": 100, "earlyRenewalHours": 10}
	cases := []struct {
		name     string
		after    time.Duration
		news     bag
		replaces []string
		changes  bool
	}{
		{"nothing changed", time.Hour, inputs, nil, false},
		{"just before early renewal", 90*time.Hour - time.Second, inputs, nil, false},
		{"at early renewal", 90 * time.Hour, inputs, []string{"readyForRenewal"}, true},
		{"expired", 101 * time.Hour, inputs, []string{"readyForRenewal"}, true},
		{"longer early renewal, not due", time.Hour, bag{"validityPeriodHours": 100, "earlyRenewalHours": 20}, nil, true},
		{"longer early renewal, due", 85 * time.Hour, bag{"validityPeriodHours": 100, "earlyRenewalHours": 20},
			[]string{"readyForRenewal"}, true},
		{"another validity", time.Hour, bag{"validityPeriodHours": 200, "earlyRenewalHours": 10},
			[]string{"validityPeriodHours"}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &provider{now: func() time.Time { return start.Add(c.after) }}
			state := properties(t, bag{"validityEndTime": start.Add(100 * time.Hour).Format(time.RFC3339)})
			resp, err := p.Diff(context.Background(), &pulumirpc.DiffRequest{
				Type: selfToken, Olds: state, OldInputs: properties(t, inputs), News: properties(t, c.news),
			})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(resp.Replaces, c.replaces) || (resp.Changes == pulumirpc.DiffResponse_DIFF_SOME) != c.changes {
				t.Errorf("Diff() = %v, replaces %v; want changes %v, replaces %v", resp.Changes, resp.Replaces, c.changes, c.replaces)
			}
			read, err := p.Read(context.Background(), &pulumirpc.ReadRequest{
				Id: "1", Type: selfToken, Properties: state, Inputs: properties(t, c.news),
			})
			if err != nil {
				t.Fatal(err)
			}
			due := slices.Contains(c.replaces, "readyForRenewal")
			if got := read.Properties.Fields["readyForRenewal"].GetBoolValue(); got != due {
				t.Errorf("Read() has readyForRenewal %v, want %v", got, due)
			}
		})
	}
}

func TestPreviewLeavesOutputsUnknown(t *testing.T) {
	t.Parallel()
	resp, err := (&provider{now: time.Now}).Create(context.Background(), &pulumirpc.CreateRequest{
		Type: selfToken, Preview: true, Properties: properties(t, bag{"privateKeyPem": plugin.UnknownStringValue}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Properties.Fields["certPem"].GetStringValue(); got != plugin.UnknownStringValue {
		t.Errorf("certPem in a preview is %q, want the unknown value", got)
	}
}
