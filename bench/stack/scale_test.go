package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/services/catalog"
)

// TestDeployMore adds services to a copy of the stack twice.
func TestDeployMore(t *testing.T) {
	t.Parallel()
	c := workCopy{dir: t.TempDir()}
	if err := os.CopyFS(filepath.Join(c.dir, "services", "echo"), os.DirFS("../../services/echo")); err != nil {
		t.Fatal(err)
	}
	settings, err := os.ReadFile("../../Pulumi.sandbox.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(c.dir, "Pulumi.sandbox.yaml")
	if err := os.WriteFile(file, settings, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{10, 100} {
		if err := c.deployMore(n); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Config map[string]any }
	if err := yaml.UnmarshalStrict(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Config["grpc-edge:nodeCount"] != 5.0 || got.Config["grpc-edge:serviceReplicas"] != 1.0 || got.Config["gcp:region"] == nil {
		t.Errorf("the stack's config is\n%s\nwant one pod for each service, 25 of them on a node", text)
	}
	copies, err := filepath.Glob(filepath.Join(c.dir, "services", "s*"))
	if err != nil || len(copies) != 98 {
		t.Errorf("there are %d more services (%v), want 98", len(copies), err)
	}
	stub, err := os.ReadFile(filepath.Join(c.dir, "services", "s97", "api", "echo_grpc.pb.go"))
	if err != nil || !strings.Contains(string(stub), `ServiceName: "s97.Echo"`) || !strings.Contains(string(stub), `"/s97.Echo/Echo"`) {
		t.Errorf("the last service does not serve s97.Echo (%v)", err)
	}
	services, problems, err := catalog.Read(c.dir, nil, catalog.Spec{CPU: "50m", Memory: "64Mi"})
	if err != nil || len(problems) > 0 || len(services) != 99 || services[98].Methods()[0].Parent().FullName() != "s97.Echo" {
		t.Errorf("the catalog has %d services, %v, %v", len(services), problems, err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	if got, err := parse(whole); err != nil || !slices.Equal(got, []int{2, 10, 100}) {
		t.Errorf("parse(%q) = %v, %v", whole, got, err)
	}
	for _, wrong := range []string{"", "1", "2,many"} {
		if got, err := parse(wrong); err == nil {
			t.Errorf("parse(%q) = %v, want an error", wrong, got)
		}
	}
}
