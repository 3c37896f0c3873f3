package envoy_test

import (
	_ "embed"
	"flag"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

var update = flag.Bool("update", false, "rewrite testdata from what the code now gives")

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
			MaxDeadline: time.Minute, MaxConnectionAge: time.Hour, DrainTime: 20 * time.Second,
			LeastRequest: true,
			Collector:    &envoy.Collector{Address: "collector.example", Port: 4317, Sampling: 1},
			Origins:      []string{"https://app.example.com", "http://localhost:3000"},
		},
	}
	got := map[string]string{}
	for name, config := range cases {
		files, err := envoy.Files(config)
		if err != nil {
			t.Fatalf("Files(%s): %v", name, err)
		}
		for file, content := range files {
			got[filepath.Join("testdata", name, file)] = content
		}
	}
	if *update {
		writeGolden(t, got)
	}
	want := map[string]string{}
	paths, err := filepath.Glob("testdata/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want[path] = string(content)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("testdata differs; if that is meant, run `go test . -update` (-testdata +code):\n%s", diff)
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

func writeGolden(t *testing.T, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll("testdata"); err != nil {
		t.Fatal(err)
	}
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
