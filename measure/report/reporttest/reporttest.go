// Package reporttest compares the files of a report with those in testdata.
package reporttest

import (
	"path/filepath"
	"testing"

	"gotest.tools/v3/golden"
)

// Golden checks that testdata has these files, by name, and no others.
func Golden(t *testing.T, files map[string]string) {
	t.Helper()
	for name, got := range files {
		golden.Assert(t, got, name)
	}
	if stored, _ := filepath.Glob("testdata/*"); len(stored) != len(files) {
		t.Errorf("testdata has %v, want the %d files that are written", stored, len(files))
	}
}
