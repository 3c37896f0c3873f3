// Package git runs git on the repository. The folder may belong to another user than the one who
// runs git, as in a container with the folder on a volume. git refuses to work there unless it
// is told that the folder is safe (git-config, safe.directory). That adds no risk: the programs of
// the repository run anyway.
package git

import (
	"os/exec"
	"path/filepath"

	"example.com/grpc-edge/internal/subprocess"
)

// Command returns the command that runs git in the repository's root.
func Command(root string, args ...string) *exec.Cmd {
	safe := root
	if absolute, err := filepath.Abs(root); err == nil {
		safe = absolute
	}
	if real, err := filepath.EvalSymlinks(safe); err == nil {
		safe = real // git compares the folder without links
	}
	return exec.Command("git", append([]string{"-c", "safe.directory=" + safe, "-C", root}, args...)...)
}

// Output returns what git prints in the repository's root. Its error holds what git says.
func Output(root string, args ...string) (string, error) {
	return subprocess.Output(Command(root, args...))
}
