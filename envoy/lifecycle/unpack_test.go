package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnpack unpacks twice, as a container does that is started again.
func TestUnpack(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("routes, ", 100_000)
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := io.WriteString(writer, want); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	whole, broken, none, to := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	for dir, content := range map[string][]byte{whole: packed.Bytes(), broken: packed.Bytes()[:packed.Len()/2]} {
		if err := os.WriteFile(filepath.Join(dir, "envoy.json.gz"), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := run(t.Context(), []string{"unpack", "-from", whole, "-to", to}, io.Discard); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(to, "envoy.json")); err != nil || string(got) != want {
			t.Errorf("unpacked %d bytes, %v, want %d", len(got), err, len(want))
		}
	}
	for dir, part := range map[string]string{broken: "unexpected EOF", none: "has no file *.gz"} {
		if err := run(t.Context(), []string{"unpack", "-from", dir, "-to", to}, io.Discard); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("unpack = %v, want an error with %q", err, part)
		}
	}
}
