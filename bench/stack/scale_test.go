package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestDeployMore grows a copy of the stack twice.
func TestDeployMore(t *testing.T) {
	t.Parallel()
	c := workCopy{dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(c.dir, "infra"), 0o755); err != nil {
		t.Fatal(err)
	}
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
	if _, err := parser.ParseFile(token.NewFileSet(), filepath.Join(c.dir, "infra", "more.go"), nil, 0); err != nil {
		t.Error(err)
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
