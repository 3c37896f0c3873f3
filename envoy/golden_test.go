package envoy_test

import (
	_ "embed"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// methods are of every kind that routes tell apart.
const methods = `
package stock.v1;
import "google/protobuf/empty.proto";
service Stock {
  rpc Take(google.protobuf.Empty) returns (google.protobuf.Empty);
  rpc Get(google.protobuf.Empty) returns (google.protobuf.Empty) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Set(google.protobuf.Empty) returns (google.protobuf.Empty) { option idempotency_level = IDEMPOTENT; }
  rpc Watch(google.protobuf.Empty) returns (stream google.protobuf.Empty) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Load(stream google.protobuf.Empty) returns (google.protobuf.Empty) { option idempotency_level = IDEMPOTENT; }
}`

// TestFiles compares with testdata/<case>/<file>, and finds files no case has.
func TestFiles(t *testing.T) {
	t.Parallel()
	cases := map[string]envoy.Config{
		"defaults": tutorial(t),
		"options": {
			Backends: []envoy.Backend{{
				Name: "shop", Address: "shop.example", Port: 50051,
				Services: services(t, "shop.v1.Cart", "shop.v1.Orders"),
				Zones:    map[string]string{"zone-b": "b.shop.example", "zone-a": "a.shop.example"},
			}, {
				Name: "stock", Address: "stock.example", Port: 50051,
				Services: prototest.Services(t, methods),
				Canary:   &envoy.Canary{Address: "stock-canary.example", Weight: 5, Header: "x-release", Mirror: 20},
			}, {
				Name: "shelf", Address: "shelf.example", Port: 50052,
				Services: prototest.Services(t, `package shelf.v1; import "google/api/annotations.proto";
					message Book { string name = 1; }
					service Shelf { rpc Get(Book) returns (Book) { option (google.api.http) = {get: "/v1/{name=shelves/*/books/*}"}; } }`),
			}},
			REST:      true,
			ConfigDir: "/config", CertificateDir: "/certificate",
			HTTPSPort: 1001, MetricsPort: 1002, ReadyPort: 1003, AdminPort: 1004,
			Resolvers:      []netip.AddrPort{netip.MustParseAddrPort("10.0.0.10:53")},
			MaxConnections: 7,
			Authorities:    []string{"shop.example", "www.shop.example", "partners.shop.example"},
			ClientCA:       clientCA, ClientCertificateRequired: true,
			AllowedClients: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
			DeniedClients:  []netip.Prefix{netip.MustParsePrefix("203.0.113.66/32")},
			Issuers: []envoy.Issuer{
				{Name: "inline", Issuer: "https://inline.example", Audiences: []string{"shop"}, JWKS: jwks},
				{Name: "remote", Issuer: "https://remote.example", Audiences: []string{"shop"}, JWKSURI: "https://remote.example/jwks"},
			},
			Rules: []envoy.Rule{
				{Service: "shop.v1.Orders", Issuers: []string{"remote", "inline"}, Rate: envoy.Rate{PerSecond: 50}},
				{
					Service: "shop.v1.Orders", Method: "Orders", Issuers: []string{"inline"},
					Clients: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")}, Rate: envoy.Rate{PerSecond: 1, Burst: 5},
				},
				{Service: "shop.v1.Orders", Authority: "partners.shop.example", Issuers: []string{"inline"}, Rate: envoy.Rate{PerSecond: 5}},
				{Service: "stock.v1.Stock", Authority: "partners.shop.example"},
			},
			MemoryLimit: 512 << 20,
			ClientRate:  envoy.Rate{PerSecond: 100, Burst: 200},
			MaxDeadline: time.Minute, MaxConnectionAge: time.Hour, DrainTime: 20 * time.Second, DrainFile: "/run/drain/pressure",
			LeastRequest: true,
			Collector:    &envoy.Collector{Address: "collector.example", Port: 4317, Sampling: 1},
			Origins:      []string{"https://app.example.com", "http://localhost:3000"},
		},
	}
	var written []string
	for name, config := range cases {
		files, err := envoy.Files(config)
		if err != nil {
			t.Fatalf("Files(%s): %v", name, err)
		}
		for file, content := range files {
			path := filepath.Join(name, file)
			golden.Assert(t, content, path)
			written = append(written, golden.Path(path))
		}
	}
	slices.Sort(written)
	if stored, err := filepath.Glob("testdata/*/*"); err != nil || !slices.Equal(stored, written) {
		t.Errorf("testdata has the files %v, want %v (error %v)", stored, written, err)
	}
}

// clientCA is the certificate of an authority whose key no longer exists.
//
//go:embed clientca.pem
var clientCA string

func TestFilesAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	first, err := envoy.Files(tutorial(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := envoy.Files(tutorial(t)); err != nil || !maps.Equal(first, again) {
			t.Fatalf("Files() gave other bytes for the same Config (error %v):\n%s", err, cmp.Diff(first, again))
		}
	}
}
