package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// workCopy describes the copy of the checkout that is measured, and the environment of its
// commands.
type workCopy struct {
	dir string
	env []string
}

// newCopy clones the committed state of the checkout, which may belong to another user. A
// cold copy has empty caches. Others have the tools that are already built.
func newCopy(ctx context.Context, root string, cold bool) (workCopy, error) {
	c := workCopy{dir: filepath.Join(root, ".cache", "stack"), env: os.Environ()}
	if err := c.remove(); err != nil {
		return c, err
	}
	const trusting = "git -c safe.directory=*" // both ends of the clone check who owns the checkout
	if out, err := exec.CommandContext(ctx, "git", "-c", "safe.directory=*", "clone", "--quiet", "--upload-pack", trusting+" upload-pack", root, c.dir).CombinedOutput(); err != nil {
		return c, fmt.Errorf("cloning the repository: %w: %s", err, out)
	}
	if cold {
		caches := filepath.Join(c.dir, ".cache", "go")
		c.env = append(c.env, "GOCACHE="+caches+"/build", "GOMODCACHE="+caches+"/mod", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -modcacherw"))
		return c, nil
	}
	if err := os.MkdirAll(filepath.Join(c.dir, ".cache"), 0o755); err != nil {
		return c, err
	}
	for _, part := range []string{"bin", "packages", "stamps", "wheels", "images"} {
		if out, err := exec.CommandContext(ctx, "cp", "-rl", filepath.Join(root, ".cache", part), filepath.Join(c.dir, ".cache", part)).CombinedOutput(); err != nil {
			return c, fmt.Errorf("linking the tools: %w: %s", err, out)
		}
	}
	return c, nil
}

// close removes a sandbox that a failure has left running, and then the copy.
func (c workCopy) close() error {
	var down error
	if _, err := os.Stat(filepath.Join(c.dir, ".sandbox")); err == nil {
		_, down = c.time(context.Background(), "make", "down")
	}
	return errors.Join(down, c.remove())
}

func (c workCopy) remove() error { return os.RemoveAll(c.dir) }

// time runs a command in the copy and returns its duration.
func (c workCopy) time(ctx context.Context, name string, args ...string) (time.Duration, error) {
	cmd := c.command(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	fmt.Fprintf(os.Stderr, "%8.1f s  %s %s\n", took.Seconds(), name, strings.Join(args, " "))
	if err != nil {
		return 0, fmt.Errorf("running `%s %s`: %w\n%s", name, strings.Join(args, " "), err, out.Bytes())
	}
	return took, nil
}

func (c workCopy) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	return cmd
}
