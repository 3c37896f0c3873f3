package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/grpc-edge/infra/config/configtest"
	"example.com/grpc-edge/services/catalog"
)

// loadServices checks a configuration in a repository with these services.
func loadServices(t *testing.T, declared, changes map[string]string, secret bool) (*Config, error) {
	t.Helper()
	root := t.TempDir()
	for name, spec := range declared {
		dir := filepath.Join(root, catalog.Dir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string]string{catalog.SpecFile: spec, catalog.DescriptorFile: "", "go.mod": ""} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	values := sandbox(t, changes)
	r := newReader(func(key string) (string, bool) { value, ok := values[key]; return value, ok },
		func(string) bool { return secret }, "")
	r.defaults, r.root = configtest.Load(t, "../..", ""), root
	c := r.read()
	return c, r.err()
}

// TestServicesTakeTheStacksDefaults checks that the stack's own keys are the defaults of services.
func TestServicesTakeTheStacksDefaults(t *testing.T) {
	t.Parallel()
	c, err := loadServices(t, map[string]string{"plain": "", "large": "memory: 1Gi\nmaxCalls: 5"}, map[string]string{
		"grpc-edge:serviceReplicas": "4", "grpc-edge:serviceMaxCalls": "9", "grpc-edge:services": `{"large": {"replicas": 7}}`,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][3]any{}
	for _, s := range c.Services {
		got[s.Name] = [3]any{s.Replicas, s.MaxCalls, s.Memory}
	}
	want := map[string][3]any{"plain": {4, 9, "64Mi"}, "large": {7, 5, "1Gi"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replicas, calls and memory (-want +got):\n%s", diff)
	}
}

func TestServicesNeedWhatIsOff(t *testing.T) {
	t.Parallel()
	const key = `{"shop": {"secrets": {"PIN": {"value": "1234"}}}}`
	elsewhere := "registry.example/shop@sha256:" + strings.Repeat("0", 64)
	tests := []struct {
		spec    string
		changes map[string]string
		secret  bool
		want    string
	}{
		{"internet: true", nil, false, "  grpc-edge:nat is false, but service shop needs the internet; set it to true"},
		{"internet: true", map[string]string{"grpc-edge:nat": "true"}, false, ""},
		{"egress: [{cidr: 10.40.0.0/24, ports: [443]}, {cidr: 8.8.8.0/24, ports: [443]}]", nil, false,
			"  grpc-edge:nat is false, but service shop has an egress to the public addresses 8.8.8.0/24; set it to true"},
		{"egress: [{cidr: 8.8.8.0/24, ports: [443]}]", map[string]string{"grpc-edge:nat": "true"}, false, ""},
		{"egress: [{cidr: '2001:db8::/32', ports: [443]}]", nil, false,
			"  grpc-edge:dualStack is false, but service shop has an egress to the IPv6 addresses 2001:db8::/32; set it to true"},
		{"egress: [{cidr: '2001:db8::/32', ports: [443]}]", map[string]string{"grpc-edge:dualStack": "true"}, false, ""},
		{"egress: [{cidr: 240.1.0.0/16, ports: [443]}]", nil, false, ""},
		{"image: " + elsewhere, nil, false, "  grpc-edge:nat is false, but nodes need it to pull the image of service shop from outside Google Cloud; " +
			"set it to true, or copy the image to Artifact Registry"},
		{"image: " + elsewhere, map[string]string{"grpc-edge:nat": "true"}, false, ""},
		{"image: " + elsewhere, map[string]string{"grpc-edge:dualStack": "true"}, false, ""},
		{"image: us-central1-docker.pkg.dev/p/" + elsewhere, nil, false, ""},
		{"", map[string]string{"grpc-edge:services": key}, true, ""},
		{"", map[string]string{"grpc-edge:services": key}, false, "  grpc-edge:services holds the secret PIN of service shop in the clear; " +
			"set it with: pulumi config set --secret --path 'grpc-edge:services.shop.secrets.PIN.value' VALUE"},
		{"replicas: 0", map[string]string{"grpc-edge:serviceMaxCalls": "-1"}, false, // each is told once
			"  grpc-edge:serviceMaxCalls is \"-1\"; it must be a whole number from 0 to 100000\n" +
				"  services/shop/service.yaml replicas is 0; it must be a whole number from 1 to 100"},
	}
	for _, test := range tests {
		_, err := loadServices(t, map[string]string{"shop": test.spec}, test.changes, test.secret)
		if diff := cmp.Diff(test.want, message(err)); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", test.spec, test.changes, diff)
		}
	}
}

// TestNamesInZones checks that zone-aware routing gives each public service a further name in each
// zone.
func TestNamesInZones(t *testing.T) {
	t.Parallel()
	long, zones := strings.Repeat("a", 40), map[string]string{
		"gcp:region": "northamerica-northeast1", "grpc-edge:clusterLocation": "",
		"grpc-edge:nodeZones": `["northamerica-northeast1-a", "northamerica-northeast1-b"]`,
	}
	declared := map[string]string{"shop": "", "shop-northamerica-northeast1-a": "", long: "", "p-northamerica-northeast1-a": "", "p": "private: true"}
	for aware, want := range map[string]string{
		"false": "",
		"true": "  services/" + long + " is " + long + "-northamerica-northeast1-a in one zone, which has more than 63 characters; rename it, or set grpc-edge:zoneAware to false\n" +
			"  services/shop-northamerica-northeast1-a has the name of service shop in one zone; rename one of them, or set grpc-edge:zoneAware to false",
	} {
		zones["grpc-edge:zoneAware"] = aware
		_, err := loadServices(t, declared, zones, false)
		if got := message(err); got != want {
			t.Errorf("zoneAware %s: got\n%s\nwant\n%s", aware, got, want)
		}
	}
}

// TestRolesThatCIGrants checks what services may have where CI grants it.
func TestRolesThatCIGrants(t *testing.T) {
	t.Parallel()
	many := func(n int) []catalog.Role {
		var roles []catalog.Role
		for i := range n {
			roles = append(roles, catalog.Role{Role: fmt.Sprintf("roles/a.b%d", i%10)})
		}
		return roles
	}
	named := func(name string) []catalog.Role {
		return []catalog.Role{{Role: "roles/pubsub.publisher"}, {Role: name}}
	}
	const key, warning = "services/shop/service.yaml roles[1] is ", ": if it may change policies, CI, which grants it, can give itself more rights"
	github := Delivery{Repository: "o/r"}
	tests := []struct {
		roles      []catalog.Role
		delivery   Delivery
		want, warn string // the warning is the beginning of one
	}{
		{many(10), Delivery{}, "", ""},
		{many(9), github, "", ""},
		{append(many(9), many(9)...), github, "", ""}, // each counts once
		{named("roles/owner"), Delivery{}, "", ""},
		{named("roles/owner"), github, "  " + key + "roles/owner, for the whole project, which CI could grant to itself; it must be a narrower role such as roles/pubsub.publisher, or a custom one", ""},
		{named("roles/browser"), github, "", ""},
		{named("roles/pubsub.admin"), Delivery{}, "", ""},
		{named("roles/pubsub.admin"), github, "", key + "roles/pubsub.admin" + warning},
		{named("roles/iam.securityAdmin"), github, "", key + "roles/iam.securityAdmin" + warning},
		{many(10), github, "  grpc-edge:services and services/*/service.yaml have 10 different roles, but where grpc-edge:githubRepository or " +
			"grpc-edge:cloudBuildRepository is set there may be 9; replace some by a custom role that holds their permissions, or have an owner grant some to the pods' principals (docs/services.md)", ""},
	}
	for _, test := range tests {
		r := &reader{problems: map[string]string{}}
		r.checkRoles(&Config{Delivery: test.delivery, Services: []catalog.Service{{Name: "shop", Spec: catalog.Spec{Roles: test.roles}}}})
		if diff := cmp.Diff(test.want, message(r.err())); diff != "" {
			t.Errorf("%v %+v (-want +got):\n%s", test.roles, test.delivery, diff)
		}
		if got := strings.Join(r.warnings, "; "); (test.warn == "") != (got == "") || !strings.HasPrefix(got, test.warn) {
			t.Errorf("%v %+v: warning %q, want %q", test.roles, test.delivery, got, test.warn)
		}
	}
}
