package stackfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProgram checks that Pulumi.yaml names the project that all keys are prefixed with.
func TestProgram(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if name := "name: " + Program; !slices.Contains(strings.Split(string(text), "\n"), name) {
		t.Errorf("Pulumi.yaml has no line %q", name)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	file := read(t, `secretsprovider: gcpkms://k
config:
  gcp:project: shop
  grpc-edge:projectNumber: 123456789012
  grpc-edge:since: 2026-01-02
  grpc-edge:names: [a, b]
`)
	for key, want := range map[string]string{
		"gcp:project": "shop", "grpc-edge:projectNumber": "123456789012", "grpc-edge:since": "2026-01-02", "gcp:region": "",
	} {
		if got := file.Value(key); got != want {
			t.Errorf("Value(%s) = %q, want %q", key, got, want)
		}
	}
	if got := file.Setting("secretsprovider"); got != "gcpkms://k" {
		t.Errorf("Setting(secretsprovider) = %q", got)
	}
	if got, ok := file.Config()["grpc-edge:names"].([]any); !ok || !slices.Equal(got, []any{"a", "b"}) {
		t.Errorf("the list is %v", got)
	}
	var names []string
	for _, key := range file.Keys() {
		names = append(names, key.Name)
	}
	if want := []string{"gcp:project", "grpc-edge:projectNumber", "grpc-edge:since", "grpc-edge:names"}; !slices.Equal(names, want) {
		t.Errorf("Keys are %v, want %v", names, want)
	}
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "# nothing\n", "config:\n"} {
		file := read(t, content)
		if len(file.Config()) > 0 || len(file.Keys()) > 0 || file.Value("gcp:project") != "" {
			t.Errorf("%q has %v", content, file.Config())
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"list": "- a\n", "broken": "config: [\n", "keys": "config: [a]\n", "twice": "config: {a: 1, a: 2}\n"} {
		if err := os.WriteFile(filepath.Join(dir, Name(name)), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir, name); err == nil || !strings.Contains(err.Error(), Name(name)) {
			t.Errorf("Read(%s) = %v, want an error that names the file", name, err)
		}
	}
	_, err := Read(dir, "dev")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "broken, keys, list, twice") {
		t.Errorf("Read(dev) = %v, want the stacks that there are", err)
	}
}
