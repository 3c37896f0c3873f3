package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/config/configtest"
)

// TestCheckEdge checks that problems of the edge are reported by their keys, with all others.
func TestCheckEdge(t *testing.T) {
	t.Parallel()
	c, err := load(t, sandbox(t, map[string]string{
		"grpc-edge:nodeCount":  "many",
		"grpc-edge:canaries":   `[{"service": "ech", "stable": "sha256:` + strings.Repeat("0", 64) + `"}]`,
		"grpc-edge:webOrigins": `["https://app.example.com", "https://app.example.com"]`,
		"grpc-edge:jwtIssuers": `[{"name": "main", "issuer": "https://issuer.example.com", "audiences": [], "jwksUri": "http://x"}]`,
		"grpc-edge:rules": `[{"service": "grpc.health.v1.Helth"}, {"service": "grpc.health.v1.Health", "method": "Chek"},
			{"service": "grpc.health.v1.Health", "issuers": ["mian"]}, {"service": "grpc.health.v1.Health", "burst": 3},
			{"service": "grpc.health.v1.Health", "authority": "grpc.exmple.com"}]`,
	}))
	r := &reader{problems: map[string]string{}}
	r.report("grpc-edge:nodeCount", "is wrong: %v", err != nil)
	edge := envoy.Config{
		Backends:    []envoy.Backend{{Name: "echo", Address: "echo", Port: 8080, Services: envoy.Services(healthpb.File_grpc_health_v1_health_proto)}},
		Authorities: c.Authorities, Origins: c.Edge.Origins, Issuers: c.Edge.Issuers, Rules: c.Edge.Rules,
		ClientCA: "not PEM", MaxDeadline: -1,
	}
	c.CheckEdge(edge, []string{"echo", "reverse"}, r.report)
	want := strings.Join([]string{
		`  grpc-edge:canaries names unknown services: "ech" (did you mean echo?); it must name some of echo, reverse`,
		`  grpc-edge:clientCaPem is wrong: holds text that is not PEM; give certificates of authorities in PEM, and nothing else`,
		`  grpc-edge:jwtIssuers[0].audiences is wrong: none given; name at least one, or tokens for others are taken`,
		`  grpc-edge:jwtIssuers[0].jwksUri is wrong: "http://x" must be an HTTPS URL of a host with a DNS name, such as https://issuer.example.com/jwks`,
		`  grpc-edge:maxDeadlineSeconds is wrong: -1ns must be at least 1ms, or 0 for no cap`,
		`  grpc-edge:nodeCount is wrong: true`,
		`  grpc-edge:rules[0].service is "grpc.health.v1.Helth" (did you mean grpc.health.v1.Health?); it must be one of grpc.health.v1.Health`,
		`  grpc-edge:rules[1].method is wrong: "Chek" must be a method of grpc.health.v1.Health, or empty for all of them`,
		`  grpc-edge:rules[2].issuers[0] is "mian" (did you mean main?); it must be the name of one in grpc-edge:jwtIssuers`,
		`  grpc-edge:rules[3].callsPerSecond is wrong: 0 must be at least 1, because a burst is given`,
		`  grpc-edge:rules[4].authority is "grpc.exmple.com" (did you mean grpc.example.com?); it must be one of grpc-edge:authorities`,
		`  grpc-edge:webOrigins[1] is wrong: "https://app.example.com" is already grpc-edge:webOrigins[0]`,
	}, "\n")
	if diff := cmp.Diff(want, message(r.err())); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// TestEdgeKeysAreDeclared checks that Pulumi.yaml declares the keys in edgeKeys, and that Envoy's
// configuration has the fields.
func TestEdgeKeysAreDeclared(t *testing.T) {
	t.Parallel()
	declared := configtest.Load(t, "../..", "")
	for field, key := range edgeKeys {
		if _, ok := declared["grpc-edge:"+key]; !ok {
			t.Errorf("%s is said to come from the key %s, which Pulumi.yaml does not declare", field, key)
		}
		if _, ok := reflect.TypeFor[envoy.Config]().FieldByName(field); !ok {
			t.Errorf("%s is said to be a field of Envoy's configuration, which it is not", field)
		}
	}
}
