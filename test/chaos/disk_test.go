package chaos

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFill checks that the machine's own disk is never filled.
func TestFill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "full")
	if size, err := fill(file, dir); err == nil || size > 0 {
		t.Errorf("%d bytes were written to the file system of the sandbox's own files (%v)", size, err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 0 {
		t.Errorf("the file is not empty: %v (%v)", info, err)
	}
}
