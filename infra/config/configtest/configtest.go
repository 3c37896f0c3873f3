// Package configtest returns the configuration of a stack to tests as the Pulumi CLI passes
// it to the program, so that tests check what Pulumi.yaml declares.
package configtest

import (
	"strings"
	"testing"

	"example.com/grpc-edge/infra/config/declared"
	"example.com/grpc-edge/internal/stackfile"
)

// Load reads the defaults of Pulumi.yaml in the folder, and over them the values
// of Pulumi.STACK.yaml. No stack means the defaults alone.
func Load(t testing.TB, root, stack string) map[string]string {
	t.Helper()
	config, err := declared.Defaults(root)
	if err != nil {
		t.Fatal(err)
	}
	if stack == "" {
		return config
	}
	for key, value := range Set(t, root, stack) {
		_, known := config[key]
		if !known && !strings.HasPrefix(key, "gcp:") {
			t.Errorf("%s sets %s, which Pulumi.yaml does not declare", stackfile.Name(stack), key)
		}
		if config[key], err = declared.Text(value); err != nil {
			t.Fatalf("encoding %v: %v", value, err)
		}
	}
	return config
}

// Set returns the values that Pulumi.STACK.yaml in the folder sets.
func Set(t testing.TB, root, stack string) map[string]any {
	t.Helper()
	file, err := stackfile.Read(root, stack)
	if err != nil {
		t.Fatal(err)
	}
	return file.Config()
}
