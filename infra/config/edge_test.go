package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/grpc-edge/envoy"
)

var comparable = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{})}

func TestEdgeDefaults(t *testing.T) {
	t.Parallel()
	got, err := load(t, sandbox(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := Edge{
		Config:     envoy.Config{REST: true, MaxStreams: 100, MaxDeadline: time.Hour, MaxConnectionAge: 10 * time.Minute},
		Reflection: true, Health: true, Sampling: 1,
	}
	if diff := cmp.Diff(want, got.Edge, comparable); diff != "" {
		t.Errorf("edge (-want +got):\n%s", diff)
	}
	haveKeys(t, got.Edge.Config)
	if diff := cmp.Diff(Monitoring{Enabled: true, ErrorPercent: 5, P99Milliseconds: 1000}, got.Monitoring, comparable); diff != "" {
		t.Errorf("monitoring (-want +got):\n%s", diff)
	}
}

// haveKeys checks that edgeKeys has each field that a key sets, so that an error can name the key. It
// skips two fields that accept any value.
func haveKeys(t *testing.T, c envoy.Config) {
	t.Helper()
	set := reflect.ValueOf(c)
	for i := range set.NumField() {
		name := set.Type().Field(i).Name
		if _, ok := edgeKeys[name]; !ok && !set.Field(i).IsZero() && name != "REST" && name != "LeastRequest" {
			t.Errorf("edgeKeys does not say which key sets %s", name)
		}
	}
}

func TestEdgeValues(t *testing.T) {
	t.Parallel()
	const stable = "sha256:7369b033550a14997e5d698677b7b51f0210a80754f5d084c5caa1a78268267b"
	got, err := load(t, sandbox(t, map[string]string{
		"grpc-edge:reflection":                "false",
		"grpc-edge:health":                    "false",
		"grpc-edge:rest":                      "false",
		"grpc-edge:webOrigins":                `["https://app.example.com"]`,
		"grpc-edge:maxStreamsPerConnection":   "50",
		"grpc-edge:underscoreHeaders":         "allow",
		"grpc-edge:unknownQueryParameters":    "ignore",
		"grpc-edge:webRequestHeaders":         `["x-page"]`,
		"grpc-edge:webResponseHeaders":        `["x-answer"]`,
		"grpc-edge:clientCaPem":               "PEM",
		"grpc-edge:clientCertificateRequired": "true",
		"grpc-edge:allowedClients":            `["10.0.0.0/8", "2001:db8::/32"]`,
		"grpc-edge:deniedClients":             `["10.1.0.0/16"]`,
		"grpc-edge:clientCallsPerSecond":      "7",
		"grpc-edge:jwtIssuers":                `[{"name": "main", "issuer": "https://issuer.example.com", "audiences": ["a"], "jwksUri": "https://issuer.example.com/keys"}]`,
		"grpc-edge:rules":                     `[{"service": "api.Echo", "method": "Echo", "authority": "grpc.example.com", "issuers": ["main"], "clients": ["10.2.0.0/16"], "callsPerSecond": 5, "burst": 9}]`,
		"grpc-edge:maxDeadlineSeconds":        "0",
		"grpc-edge:maxConnectionAgeSeconds":   "0",
		"grpc-edge:balance":                   "least-request",
		"grpc-edge:clusterLocation":           "",
		"grpc-edge:nodeZones":                 `["us-central1-a", "us-central1-b"]`,
		"grpc-edge:zoneAware":                 "true",
		"grpc-edge:traceSamplePercent":        "50",
		"grpc-edge:canaries":                  `[{"service": "echo", "stable": "` + stable + `", "weight": 10, "header": "x-version", "mirror": 1}]`,
		"grpc-edge:monitoring":                "false",
		"grpc-edge:alertEmails":               `["oncall@example.com"]`,
		"grpc-edge:terminationSeconds":        "60",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := Edge{Config: envoy.Config{
		Origins:            []string{"https://app.example.com"},
		PageRequestHeaders: []string{"x-page"}, PageResponseHeaders: []string{"x-answer"},
		IgnoreUnknownQuery: true, Underscores: envoy.AllowUnderscores, MaxStreams: 50,
		ClientCA: "PEM", ClientCertificateRequired: true,
		AllowedClients: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
		DeniedClients:  []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		Issuers: []envoy.Issuer{{
			Name: "main", Issuer: "https://issuer.example.com", Audiences: []string{"a"}, JWKSURI: "https://issuer.example.com/keys",
		}},
		Rules: []envoy.Rule{{
			Service: "api.Echo", Method: "Echo", Authority: "grpc.example.com", Issuers: []string{"main"},
			Clients: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}, Rate: envoy.Rate{PerSecond: 5, Burst: 9},
		}},
		ClientRate:   envoy.Rate{PerSecond: 7},
		LeastRequest: true,
	}, ZoneAware: true, Sampling: 50,
		Canaries: map[string]Canary{"echo": {Stable: stable, Canary: envoy.Canary{Weight: 10, Header: "x-version", Mirror: 1}}},
	}
	if diff := cmp.Diff(want, got.Edge, comparable); diff != "" {
		t.Errorf("edge (-want +got):\n%s", diff)
	}
	haveKeys(t, got.Edge.Config)
	if got.Termination != time.Minute || got.Monitoring.Enabled || got.Monitoring.Emails[0] != "oncall@example.com" {
		t.Errorf("got Termination %v, Monitoring %+v", got.Termination, got.Monitoring)
	}
}

func TestOneWrongKeyOfTheEdge(t *testing.T) {
	t.Parallel()
	const stable = `"stable": "sha256:7369b033550a14997e5d698677b7b51f0210a80754f5d084c5caa1a78268267b"`
	tests := []struct{ key, value, want string }{
		{"reflection", "on", ` is "on"; it must be one of true, false`},
		{"rest", "yes", ` is "yes"; it must be one of true, false`},
		{"webOrigins", `["*"]`, ` is "[\"*\"]"; it must be origins of web pages, such as [https://app.example.com]`},
		{"webOrigins", `["https://app.example.com/"]`, ` is "[\"https://app.example.com/\"]"; it must be origins of web pages, such as [https://app.example.com]`},
		{"clientCertificateRequired", "true", ` is true, but there is no grpc-edge:clientCaPem to verify certificates of clients with; set that, or this to false`},
		{"allowedClients", `["10.0.0.1/8"]`, ` is "[\"10.0.0.1/8\"]"; it must be a list of CIDR blocks, such as [10.0.0.0/8, 2001:db8::/32]`},
		{"allowedClients", `["::ffff:10.0.0.0/104"]`, ` is "[\"::ffff:10.0.0.0/104\"]"; it must be a list of CIDR blocks, such as [10.0.0.0/8, 2001:db8::/32]`},
		{"deniedClients", `["all"]`, ` is "[\"all\"]"; it must be a list of CIDR blocks, such as [10.0.0.0/8, 2001:db8::/32]`},
		{"clientCallsPerSecond", "-1", ` is "-1"; it must be a whole number from 0 to 1000000`},
		{"jwtIssuers", `[{"url": "x"}]`, `[0].url is unknown; there may be name, issuer, audiences, jwks, jwksUri`},
		{"rules", `{"service": "api.Echo"}`, ``},
		{"rules", `[{"service": "api.Echo", "clients": ["all"]}]`, `[0].clients is ["all"]; it must be a list of CIDR blocks, such as [10.0.0.0/8, 2001:db8::/32]`},
		{"maxDeadlineSeconds", "90000", ` is "90000"; it must be a whole number from 0 to 86400`},
		{"maxConnectionAgeSeconds", "-1", ` is "-1"; it must be a whole number from 0 to 86400`},
		{"balance", "random", ` is "random"; it must be one of round-robin, least-request`},
		{"zoneAware", "true", ` is true, but grpc-edge:nodeZones names fewer than two zones; name those of the nodes, or set this to false`},
		{"nodeZones", `["europe-west1-b"]`, ` is "[\"europe-west1-b\"]"; it must be a list of zones of us-central1, such as [us-central1-a, us-central1-b]`},
		{"nodeZones", `["us-central1-b"]`, ` is ["us-central1-b"]; it must include grpc-edge:clusterLocation us-central1-a`},
		{"traceSamplePercent", "101", ` is "101"; it must be a whole number from 0 to 100`},
		{"canaries", `[{"service": "Echo", ` + stable + `}]`, `[0].service is "Echo"; it must be the name of a service, such as echo`},
		{"canaries", `[{"service": "Echo", "weight": 101, "header": "release"}]`, `[0].header is "release"; it must be empty, or a header that begins with x-, in lower case
  grpc-edge:canaries[0].service is "Echo"; it must be the name of a service, such as echo
  grpc-edge:canaries[0].stable is ""; it must be the digest of the image that runs now, sha256: and 64 hexadecimal digits, as in the output images
  grpc-edge:canaries[0].weight is 101 and .mirror 0; both must be percentages from 0 to 100`},
		{"canaries", `[{"service": "echo", ` + stable + `}, {"service": "echo", ` + stable + `}]`, `[1].service is "echo", as that of an item before; keep one of them`},
		{"canaries", `[{"service": "echo", "stable": "v1"}]`, `[0].stable is "v1"; it must be the digest of the image that runs now, sha256: and 64 hexadecimal digits, as in the output images`},
		{"canaries", `[{"service": "echo", ` + stable + `, "weight": 101}]`, `[0].weight is 101 and .mirror 0; both must be percentages from 0 to 100`},
		{"canaries", `[{"service": "echo", ` + stable + `, "header": "Host"}]`, `[0].header is "Host"; it must be empty, or a header that begins with x-, in lower case`},
		{"terminationSeconds", "5", ` is "5"; it must be a whole number from 10 to 3600`},
		{"alertEmails", `["oncall"]`, ` is "[\"oncall\"]"; it must be a list of mail addresses`},
		{"alertErrorPercent", "0", ` is "0"; it must be a whole number from 1 to 100`},
		{"alertP99Milliseconds", "0", ` is "0"; it must be a whole number from 1 to 600000`},
	}
	for _, test := range tests {
		key := "grpc-edge:" + test.key
		_, err := load(t, sandbox(t, map[string]string{key: test.value}))
		if test.want == "" { // the wording is that of encoding/json
			if err == nil {
				t.Errorf("%s = %s: no error", key, test.value)
			}
			continue
		}
		if want := "  " + key + test.want; message(err) != want {
			t.Errorf("%s = %s:\ngot  %s\nwant %s", key, test.value, message(err), want)
		}
	}
}
