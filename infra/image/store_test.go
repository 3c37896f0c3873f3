package image

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// modules copies echo and its dependencies to a folder where the test may change them.
func modules(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, module := range []string{"chassis", "echo"} {
		if err := os.CopyFS(filepath.Join(dir, module), os.DirFS(filepath.Join(services, module))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestKey changes the inputs of an image, one after the other.
func TestKey(t *testing.T) {
	dir := modules(t)
	source := Source{Dir: filepath.Join(dir, "echo"), Name: "echo", Architecture: "amd64"}
	of := func(s Source) string {
		t.Helper()
		k, err := key(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := of(source)
	if elsewhere := of(Source{Dir: filepath.Join(modules(t), "echo"), Name: "echo", Architecture: "amd64"}); elsewhere != first {
		t.Error("in another folder the same source has another key")
	}
	appendTo := func(file, text string) func() {
		return func() {
			f, err := os.OpenFile(filepath.Join(dir, file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen := map[string]string{first: "nothing"}
	for _, change := range []struct {
		what string
		do   func()
	}{
		{"a source", appendTo("echo/main.go", "// more\n")},
		{"a new file", appendTo("echo/new.go", "package main\n")},
		{"a file of a module beside", appendTo("chassis/new.go", "package chassis\n")},
		{"a version", appendTo("echo/go.mod", "\nrequire github.com/google/uuid v1.6.0\n")},
		{"a hash", appendTo("echo/go.sum", "example.com/m v1.0.0 h1:AAAA\n")},
		{"the Go release that is allowed", func() { t.Setenv("GOTOOLCHAIN", "path") }},
		{"the name", func() { source.Name = "other" }},
		{"the architecture", func() { source.Architecture = "arm64" }},
		{"the folder", func() { source.Dir = filepath.Join(source.Dir, "api") }},
	} {
		change.do()
		k := of(source)
		if before, same := seen[k]; same {
			t.Errorf("after a change of %s the key is that of before, after %s", change.what, before)
		}
		seen[k] = change.what
	}
}

// TestStore builds once, rebuilds after a change or a loss, and pushes the stored image.
func TestStore(t *testing.T) {
	t.Parallel()
	dir := modules(t)
	source := Source{Dir: filepath.Join(dir, "echo"), Name: "echo", Architecture: "amd64"}
	s := store{filepath.Join(t.TempDir(), "built")}
	build := func(s store) *Built {
		t.Helper()
		built, err := s.build(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		return built
	}
	first := build(s)
	if fresh := build(store{"/dev/null"}); first.Digest != fresh.Digest || !cmp.Equal(first.modules, fresh.modules) {
		t.Errorf("the digest is %s, without a store %s; modules (-kept +without):\n%s", first.Digest, fresh.Digest, cmp.Diff(first.modules, fresh.modules))
	}

	// The stored image is used: it has content that only this test wrote.
	entries, err := filepath.Glob(filepath.Join(s.dir, "echo-amd64", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("the store has %v (%v), want one image", entries, err)
	}
	write(t, filepath.Join(entries[0], modulesFile), `{"Path": "kept"}`)
	kept := build(s)
	if kept.modules.Path != "kept" || kept.Digest != first.Digest {
		t.Errorf("the image was built again: %s of %s", kept.Digest, kept.modules.Path)
	}
	reference := (&counting{}).start(t) + "/project/images/echo@" + kept.Digest
	if sent, err := kept.Push(t.Context(), reference, "token"); err != nil || !sent {
		t.Errorf("pushing what was kept: %t, %v", sent, err)
	}

	// An incomplete image is not used.
	if err := os.Remove(filepath.Join(entries[0], "index.json")); err != nil {
		t.Fatal(err)
	}
	if fixed := build(s); fixed.modules.Path == "kept" || fixed.Digest != first.Digest {
		t.Errorf("half of an image was used: %s of %s", fixed.Digest, fixed.modules.Path)
	}

	// After a change, an old image is removed.
	long := time.Now().Add(-2 * keptFor)
	if err := os.Chtimes(entries[0], long, long); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "echo", "new.go"), "package main\n\nfunc init() { println(1) }\n")
	if changed := build(s); changed.Digest == first.Digest {
		t.Error("the digest is the same after a change")
	}
	if _, err := os.Stat(entries[0]); !os.IsNotExist(err) {
		t.Errorf("the image that was not used for %s is still there (%v)", 2*keptFor, err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
