package workcopy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"example.com/grpc-edge/internal/subprocess"
)

// TestCopies makes a clone, which has what is committed, and a copy, which has all files that
// git does not ignore. Both share the tools with the repository.
func TestCopies(t *testing.T) {
	t.Parallel()
	root, tool := t.TempDir(), filepath.Join(".cache", "bin", "tool")
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(tool)), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, root, ".gitignore", "/.cache/\n")
	write(t, root, tool, "a tool")
	write(t, root, "file", "committed")
	const commit = "git init --quiet && git add . && git -c user.name=Test -c user.email=test@example.com commit --quiet --message all"
	cmd := exec.Command("sh", "-c", commit)
	cmd.Dir = root
	if _, err := subprocess.Output(cmd); err != nil {
		t.Fatal(err)
	}
	write(t, root, "file", "changed")
	write(t, root, "new", "not committed")

	clone, made := filepath.Join(root, ".cache", "clone"), filepath.Join(root, ".cache", "copy")
	if err := Clone(t.Context(), root, clone); err != nil {
		t.Fatal(err)
	}
	if err := LinkTools(root, clone); err != nil {
		t.Fatal(err)
	}
	if err := Make(root, made); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(clone, "file"): "committed", filepath.Join(clone, "new"): "", filepath.Join(clone, tool): "a tool",
		filepath.Join(made, "file"): "changed", filepath.Join(made, "new"): "not committed", filepath.Join(made, tool): "a tool",
	} {
		if got, _ := os.ReadFile(file); string(got) != want {
			t.Errorf("%s holds %q, want %q", file, got, want)
		}
	}
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
