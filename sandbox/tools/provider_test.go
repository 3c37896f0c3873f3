package tools

import (
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/filetest"
)

func TestRequired(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "go.mod")
	filetest.Write(t, file, "module a\n\nrequire (\n\texample.com/b v1.2.3\n\texample.com/c/v4 v4.5.6 // indirect\n)\n")
	for module, want := range map[string]string{"example.com/b": "v1.2.3", "example.com/c/v4": "v4.5.6"} {
		if got, err := required(file, module); got != want || err != nil {
			t.Errorf("required(%s) = %s, %v; want %s", module, got, err, want)
		}
	}
	if _, err := required(file, "example.com/d"); err == nil || !strings.Contains(err.Error(), "does not require example.com/d") {
		t.Errorf("a module that is not required: %v", err)
	}
}

// TestProgramAsksForAProvider checks that the program requires version 4 of the Kubernetes SDK,
// which determines the version of the provider's plugin.
func TestProgramAsksForAProvider(t *testing.T) {
	t.Parallel()
	if version, err := required("../../infra/go.mod", sdkModule); !strings.HasPrefix(version, "v4.") || err != nil {
		t.Errorf("infra requires %s of %s, %v", version, sdkModule, err)
	}
}
