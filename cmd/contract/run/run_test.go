package run

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	image := v1.Config{Entrypoint: []string{"/shop"}, Cmd: []string{"help"}}
	for _, test := range []struct{ command, args, want []string }{
		{nil, nil, []string{"/shop", "help"}},
		{nil, []string{"serve"}, []string{"/shop", "serve"}},
		{[]string{"/tool"}, nil, []string{"/tool"}},
		{[]string{"/tool"}, []string{"serve"}, []string{"/tool", "serve"}},
	} {
		if got := program(image, Options{Command: test.command, Args: test.args}); !slices.Equal(got, test.want) {
			t.Errorf("program(command %q, args %q) = %q, want %q", test.command, test.args, got, test.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment([]string{"PORT=8080"}, []string{"ADDRESS=0.0.0.0:$(PORT)", "URL=http://$(ADDRESS)/$(NONE)", "PRICE=$$(PORT) $5"})
	want := []string{"PORT=8080", "ADDRESS=0.0.0.0:8080", "URL=http://0.0.0.0:8080/$(NONE)", "PRICE=$(PORT) $5"}
	if !slices.Equal(got, want) {
		t.Errorf("environment = %q, want %q", got, want)
	}
	if got := expand("--port=$(PORT)", got); got != "--port=8080" {
		t.Errorf("expand = %q, want --port=8080", got)
	}
}

// TestAdd adds files to the folder of an image with a link that leads out of it.
func TestAdd(t *testing.T) {
	t.Parallel()
	folder, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := add(folder, Options{Files: map[string][]byte{"/etc/cart/prices.json": []byte("{}")}, Scratch: map[string]int64{"/var/cache/cart": 1 << 20}}); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(folder, "etc/cart/prices.json")); err != nil || string(content) != "{}" {
		t.Errorf("the file is %q, %v", content, err)
	}
	if info, err := os.Stat(filepath.Join(folder, "var/cache/cart")); err != nil || !info.IsDir() {
		t.Errorf("the scratch folder: %v, %v", info, err)
	}
	if err := add(folder, Options{Files: map[string][]byte{"/link/prices.json": nil}}); err == nil {
		t.Error("a file was written outside of the image's folder")
	}
}
