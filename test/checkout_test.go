package test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"example.com/grpc-edge/internal/subprocess"
	"example.com/grpc-edge/internal/workcopy"
)

// checkout describes a copy of the repository that a test may change, and additions to the
// environment of its commands.
type checkout struct {
	dir string
	env []string
}

// newCheckout copies the repository's files with uncommitted changes, and links the tools
// that are already built.
func newCheckout(t *testing.T) checkout {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// In .cache hard links work, and nothing is left elsewhere.
	dir := filepath.Join(root, ".cache", "e2e")
	if err := workcopy.Make(root, dir); err != nil {
		t.Fatal(err)
	}
	return checkout{dir: dir}
}

// removeAtEnd removes the sandbox and the checkout when the test ends, also after a failure.
// It logs only its own failure, so that the end of a failed test's log is what failed.
func (c checkout) removeAtEnd(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		down := c.command(context.Background(), "make", "down") // t.Context() has ended by now
		if out, err := down.CombinedOutput(); err != nil {
			t.Logf("make down: %v\n%s", err, out)
		}
		_ = os.RemoveAll(c.dir)
	})
}

// edit replaces a text in a file. The test fails if the file does not contain it.
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

// command returns a command that runs in the checkout, with its environment.
func (c checkout) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = c.dir, append(workcopy.Environment(c.dir), c.env...)
	return cmd
}

// run runs a command in the checkout and returns its standard output. Everything
// it prints is in the test's log.
func (c checkout) run(ctx context.Context, t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	return subprocess.Logged(c.command(ctx, name, args...), t.Output())
}

// must is like run, and fails the test if the command fails.
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
