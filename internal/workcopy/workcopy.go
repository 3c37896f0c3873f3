// Package workcopy copies the repository, with the tools that are already built, for tests
// and benchmarks to change and run.
package workcopy

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"example.com/grpc-edge/internal/git"
	"example.com/grpc-edge/internal/subprocess"
)

// tools lists the folders of .cache that `make up` would otherwise fetch or build again.
var tools = []string{"bin", "packages", "stamps", "wheels", "images"}

// Make copies the files of root that git knows or does not ignore to dir, with uncommitted
// changes. It links the tools, and Pulumi's plugins. It first removes dir, which must be on
// root's file system.
func Make(root, dir string) error {
	if err := Sources(root, dir); err != nil {
		return err
	}
	return errors.Join(LinkTools(root, dir), link(root, dir, "pulumi"))
}

// Clone clones the committed state of root, which may belong to another user, to dir. It first
// removes dir.
func Clone(ctx context.Context, root, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	const trusting = "git -c safe.directory=*" // both ends of the clone check who owns the checkout
	_, err := subprocess.Output(exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "clone", "--quiet", "--upload-pack", trusting+" upload-pack", root, dir))
	return err
}

// LinkTools links the tools of root, as hard links, into the copy at dir.
func LinkTools(root, dir string) error { return link(root, dir, tools...) }

func link(root, dir string, parts ...string) error {
	if err := os.MkdirAll(filepath.Join(dir, ".cache"), 0o755); err != nil {
		return err
	}
	for _, part := range parts {
		from := filepath.Join(root, ".cache", part)
		if _, err := os.Stat(from); os.IsNotExist(err) {
			continue // not made yet; `make up` makes it
		}
		if _, err := subprocess.Output(exec.Command("cp", "-rl", from, filepath.Join(dir, ".cache", part))); err != nil {
			return err
		}
	}
	return nil
}

// Sources copies the files of root that git knows or does not ignore to dir, with uncommitted
// changes. It first removes dir.
func Sources(root, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	list, err := git.Output(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	if err != nil {
		return err
	}
	for file := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, file), filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	return nil
}

// Environment returns the environment of a person's shell in dir. It lacks the variables by
// which a parent make configures its children, such as to print the folder they enter.
func Environment(dir string) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}, name)
	})
	// kubectl must not leave its cache in the home folder.
	return append(env, "KUBECACHEDIR="+filepath.Join(dir, ".cache", "kubectl"))
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if os.IsNotExist(err) {
		return nil // deleted, and not committed yet
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}
