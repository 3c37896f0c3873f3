package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"example.com/grpc-edge/internal/subprocess"
	"example.com/grpc-edge/internal/workcopy"
)

// workCopy describes the copy of the checkout that is measured, and the environment of its
// commands.
type workCopy struct {
	dir string
	env []string
}

// newCopy clones the committed state of the checkout. A cold copy has empty caches. Others
// have the tools that are already built.
func newCopy(ctx context.Context, root string, cold bool) (workCopy, error) {
	c := workCopy{dir: filepath.Join(root, ".cache", "stack"), env: os.Environ()}
	if err := workcopy.Clone(ctx, root, c.dir); err != nil {
		return c, err
	}
	if !cold {
		return c, workcopy.LinkTools(root, c.dir)
	}
	caches := filepath.Join(c.dir, ".cache", "go")
	c.env = append(c.env, "GOCACHE="+caches+"/build", "GOMODCACHE="+caches+"/mod", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -modcacherw"))
	return c, nil
}

// close removes a sandbox that a failure has left running, and then the copy.
func (c workCopy) close() error {
	var down error
	if _, err := os.Stat(filepath.Join(c.dir, ".sandbox")); err == nil {
		_, down = c.time(context.Background(), "make", "down")
	}
	return errors.Join(down, os.RemoveAll(c.dir))
}

// time runs a command in the copy and returns its duration.
func (c workCopy) time(ctx context.Context, name string, args ...string) (time.Duration, error) {
	start := time.Now()
	_, err := c.run(ctx, name, args...)
	took := time.Since(start)
	fmt.Fprintf(os.Stderr, "%8.1f s  %s %s\n", took.Seconds(), name, strings.Join(args, " "))
	if err != nil {
		return 0, err
	}
	return took, nil
}

// run runs a command in the copy and returns its standard output.
func (c workCopy) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	return subprocess.Output(cmd)
}
