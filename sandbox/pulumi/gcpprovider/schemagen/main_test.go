package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const source = `package compute
type thingArgs struct {
	Name   *string           ` + "`pulumi:\"name\"`" + `
	Size   int               ` + "`pulumi:\"size\"`" + `
	Rules  []ThingRule       ` + "`pulumi:\"rules\"`" + `
	Labels map[string]string ` + "`pulumi:\"labels\"`" + `
	Note   *string           ` + "`pulumi:\"note\"`" + `
}
type ThingRule struct {
	Port *int ` + "`pulumi:\"port\"`" + `
}
type Thing struct {
	pulumi.CustomResourceState
	Name  pulumi.StringOutput      ` + "`pulumi:\"name\"`" + `
	Note  pulumi.StringPtrOutput   ` + "`pulumi:\"note\"`" + `
	Link  pulumi.StringOutput      ` + "`pulumi:\"link\"`" + `
	Size  pulumi.IntOutput         ` + "`pulumi:\"size\"`" + `
}
`

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pkg, out := filepath.Join(dir, "go", "gcp", "compute"), filepath.Join(dir, "schema.json")
	if err := os.MkdirAll(pkg, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pkg, "thing.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, out, []string{"gcp:compute/thing:Thing"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var got schema
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := schema{
		Resources: map[string]resource{"gcp:compute/thing:Thing": {
			Inputs: map[string]string{"name": "*string", "size": "int", "rules": "[]compute.ThingRule",
				"labels": "map[string]string", "note": "*string"},
			Computed: []string{"name"}, Outputs: []string{"link"},
		}},
		Types: map[string]map[string]string{"compute.ThingRule": {"port": "*int"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("schema = %+v, want %+v", got, want)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{"Thing": "is no type token", "gcp:compute/thing:Thing": "-sdk must name the SDK's folder"} {
		if err := run(t.TempDir(), "", []string{token}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("run(%s) = %v, want %q", token, err, want)
		}
	}
}
