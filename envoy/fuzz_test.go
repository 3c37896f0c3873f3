package envoy

import (
	"crypto/x509"
	_ "embed"
	"net/url"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"github.com/google/go-cmp/cmp"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// FuzzDNSName checks that a name is accepted only if it is nothing but a name in a URL, in YAML and
// in Envoy's patterns of domains.
func FuzzDNSName(f *testing.F) {
	for _, seed := range []string{"echo.example", "echo.example.", "a..b", "*", "*.example", "a:443", "a_b", "-a", "a-", "ä", "", ".", strings.Repeat("a.", 127)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !validDNSName(name) {
			return
		}
		if uri, err := url.Parse("https://" + name + ":1/"); err != nil || uri.Hostname() != name {
			t.Errorf("%q is not a host: %v", name, err)
		}
		if len(name) > 254 || strings.Contains(name, "..") || strings.ToLower(name) != name {
			t.Errorf("%q is taken", name)
		}
	})
}

//go:embed clientca.pem
var clientCAForFuzz string

// FuzzClientCA checks that a verifier finds a certificate in every text that is accepted.
func FuzzClientCA(f *testing.F) {
	f.Add("")
	f.Add(clientCAForFuzz)
	f.Add(clientCAForFuzz + clientCAForFuzz + "\n\n")
	f.Add(clientCAForFuzz[:100])
	f.Add("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.TrimSpace(text) == "" || validCertificates(text) != nil {
			return
		}
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(text)) {
			t.Errorf("%q is taken", text)
		}
	})
}

// okp is a key set with a key for Ed25519 (RFC 8037, appendix A.2).
const okp = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`

// FuzzFiles puts text wherever a Config takes it. What it accepts must come back
// from the file as it was, and satisfy Envoy's own rules.
func FuzzFiles(f *testing.F) {
	f.Add("echo", "echo.example", "grpc.example.com", "https://issuer.example", "api", okp, "", "https://app.example")
	f.Add("e", "e.", "", "i", "a", "", "https://a.example:8443/jwks?x=1", "")
	f.Add("e\n", "e: {}", "*", "\x00", "'", `{"keys":[{"kty":"RSA"}]}`, "https://a@b/#", "*")
	f.Add("-", "${A}", "%REQ(X)%", "\xff", "\u2028", "null", "https://[::1]/", "null")
	f.Fuzz(func(t *testing.T, name, address, authority, issuer, audience, jwks, jwksURI, origin string) {
		config := Config{
			Backends: []Backend{{
				Name: name, Address: address, Port: 1, Services: Services(healthpb.File_grpc_health_v1_health_proto),
			}},
			Issuers: []Issuer{{Name: name, Issuer: issuer, Audiences: []string{audience}, JWKS: jwks, JWKSURI: jwksURI}},
			Rules:   []Rule{{Service: "grpc.health.v1.Health", Issuers: []string{name}}},
		}
		if authority != "" {
			config.Authorities = []string{authority}
		}
		if origin != "" {
			config.Origins = []string{origin}
		}
		files, err := Files(config)
		if err != nil {
			return
		}
		var read bootstrapv3.Bootstrap
		if err := protojson.Unmarshal([]byte(files[bootstrapFile]), &read); err != nil {
			t.Fatal(err)
		}
		if again, err := render(&read); err != nil || again != files[bootstrapFile] {
			t.Errorf("what is read is not what was written (error %v):\n%s", err, cmp.Diff(files[bootstrapFile], again))
		}
	})
}
