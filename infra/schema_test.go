package main

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"example.com/grpc-edge/infra/config/declared"
	"example.com/grpc-edge/internal/stackfile"
)

// TestSchemaAcceptsStacks validates the files of all stacks, and the sandbox's with the keys of each variant,
// as an editor does.
func TestSchemaAcceptsStacks(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.Compile(filepath.Join(root, "docs", "stack.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	configOf := func(stack string) map[string]any {
		file, err := stackfile.Read(root, stack)
		if err != nil {
			t.Fatal(err)
		}
		return file.Config()
	}
	configs := map[string]map[string]any{}
	for _, stack := range stacks(t) {
		configs[stack] = configOf(stack)
	}
	for name, keys := range variants() {
		configs[name] = configOf("sandbox")
		for key, value := range keys {
			configs[name][declared.Namespace+":"+key] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		if err := schema.Validate(map[string]any{"config": configs[name]}); err != nil {
			t.Errorf("the schema does not accept %s: %#v", name, err)
		}
	}
}
