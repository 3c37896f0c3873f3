package wholefile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWrite checks that Write replaces the file and its mode, and leaves no other file behind.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for content, mode := range map[string]os.FileMode{"one": 0o600, "other": 0o400} {
		if err := Write(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("the file has %q (%v), want %q", got, err, content)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("the file is %v (%v), want mode %v", info, err, mode)
		}
	}
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(folder, nil, 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v (%v), want 2 entries", entries, err)
	}
}
