package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.com/grpc-edge/infra/config/configtest"
)

// root is the root of the repository, where Pulumi.yaml is.
const root = ".."

const (
	configMapType  = "kubernetes:core/v1:ConfigMap"
	deploymentType = "kubernetes:apps/v1:Deployment"
	serviceType    = "kubernetes:core/v1:Service"
	secretType     = "kubernetes:core/v1:Secret"
	clusterType    = "gcp:container/cluster:Cluster"
	nodePoolType   = "gcp:container/nodePool:NodePool"
	providerType   = "pulumi:providers:kubernetes"

	attestationType = "gcp:containeranalysis/occurence:Occurence"
)

// repository returns the root of a repository with only the services echo and reverse, so
// that the expectations of tests do not change with the services that a team adds.
func repository(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, linked := range []string{"Pulumi.yaml", "envoy", ".cache/built", "services/chassis", "services/directory", "services/echo", "services/reverse"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, linked)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(source, linked), filepath.Join(dir, linked)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(source, ".cache", "built"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// configOf returns the configuration of the stack, with the value that the user of a stack
// for a real project must add: the addresses from which they run Pulumi.
func configOf(t testing.TB, stack string) map[string]string {
	t.Helper()
	config := configtest.Load(t, root, stack)
	if stack != "sandbox" {
		config["grpc-edge:authorizedNetworks"] = `["198.18.0.0/24"]`
	}
	return config
}

// at returns the value at a path such as spec.containers[0].image; the zero value if there
// is none.
func at(inputs resource.PropertyMap, path string) resource.PropertyValue {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		panic(err)
	}
	value, _ := parsed.Get(resource.NewObjectProperty(inputs))
	return value
}

func (s stackRun) ofType(t *testing.T, kind string) []registered {
	t.Helper()
	var list []registered
	for _, r := range s.resources {
		if r.Type == kind {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no resource of type %s", kind)
	}
	return list
}

// named returns the resource of a type with this name.
func (s stackRun) named(t *testing.T, kind, name string) registered {
	t.Helper()
	list := s.ofType(t, kind)
	i := slices.IndexFunc(list, func(r registered) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no %s is called %s", kind, name)
	}
	return list[i]
}

// check compares values at paths of a resource.
func check(t *testing.T, r registered, want map[string]any) {
	t.Helper()
	for path, value := range want {
		if diff := cmp.Diff(value, plain(at(r.Inputs, path))); diff != "" {
			t.Errorf("%s %s: %s (-want +got):\n%s", r.Type, r.Name, path, diff)
		}
	}
}
