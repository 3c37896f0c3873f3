package test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// checkout is a copy of the repository that a test may change, and what its commands
// have in their environment besides a person's.
type checkout struct {
	dir string
	env []string
}

// newCheckout copies what git would clone, uncommitted changes included, and
// links the tools that are built already.
func newCheckout(t *testing.T) checkout {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// Within .cache, so that hard links work and nothing is left elsewhere.
	dir := filepath.Join(root, ".cache", "e2e")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	list, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "-z").Output()
	if err != nil {
		t.Fatalf("listing the repository's files: %v", err)
	}
	for file := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if err := copyFile(filepath.Join(root, file), filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"bin", "packages", "stamps", "wheels", "images", "pulumi"} {
		if err := linkTree(filepath.Join(root, ".cache", part), filepath.Join(dir, ".cache", part)); err != nil {
			t.Fatal(err)
		}
	}
	return checkout{dir: dir}
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

func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // not made yet; `make up` makes it
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		return os.Link(path, target)
	})
}

// edit replaces text that must be in a file.
func (c checkout) edit(t *testing.T, file, old, replacement string) {
	t.Helper()
	path := filepath.Join(c.dir, file)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte(old)) {
		t.Fatalf("%s does not contain %q: adapt this test", file, old)
	}
	if err := os.WriteFile(path, bytes.Replace(content, []byte(old), []byte(replacement), 1), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the checkout and returns its standard output. Everything
// it prints is in the test's log.
func (c checkout) run(ctx context.Context, t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	start := time.Now()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, &stdout, &stderr
	cmd.Env = c.environment()
	err := cmd.Run()
	t.Logf("$ %s %s   (%.1f s)\n%s%s", name, strings.Join(args, " "), time.Since(start).Seconds(), &stdout, &stderr)
	if err != nil {
		err = fmt.Errorf("`%s %s`: %w", name, strings.Join(args, " "), err)
	}
	return stdout.String(), err
}

// environment is that of a person's shell: without what the make that started
// this test tells to makes below it, such as to print the folder they enter.
func (c checkout) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}, name)
	})
	// A kubectl of this test's own must not leave its cache in the home folder.
	return append(append(env, c.env...), "KUBECACHEDIR="+filepath.Join(c.dir, ".cache", "kubectl"))
}

// must is run for commands that have to succeed.
func (c checkout) must(ctx context.Context, t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := c.run(ctx, t, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// pulumi runs the Pulumi CLI on the sandbox's stack.
func (c checkout) pulumi(ctx context.Context, t *testing.T, args ...string) (string, error) {
	t.Helper()
	return c.run(ctx, t, ".cache/bin/sandbox", append([]string{"pulumi", "--"}, args...)...)
}
