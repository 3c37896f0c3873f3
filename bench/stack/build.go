package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"example.com/grpc-edge/bench/stack/stackpage"
	"example.com/grpc-edge/measure/machine"
)

// variants lists settings of `go build` that trade time for memory.
var variants = []struct {
	title, short string
	args         []string
}{
	{title: "as it is", short: "as it is"},
	{title: "one package at a time: `GOFLAGS=-p=1`", short: "-p=1", args: []string{"-p=1"}},
}

// cold measures the first `make up` and compilations on a copy with empty caches.
func (c workCopy) cold(ctx context.Context, r *stackpage.Results) (err error) {
	cold := &stackpage.Cold{Date: time.Now(), Machine: machine.Describe(runtime.NumCPU())}
	if cold.Up, err = c.time(ctx, "make", "up"); err != nil {
		return err
	}
	if _, err := c.time(ctx, "make", "down"); err != nil {
		return err
	}
	for _, v := range variants {
		if _, err := c.time(ctx, "go", "clean", "-cache"); err != nil {
			return err
		}
		built, err := c.build(ctx, v.args...)
		if err != nil {
			return err
		}
		cold.Builds = append(cold.Builds, stackpage.Variant{Title: v.title, Short: v.short, Build: built})
	}
	r.Cold = cold
	return nil
}

// rebuild measures the build after a change in infra: one package is compiled, and the
// program is linked.
func (c workCopy) rebuild(ctx context.Context) (stackpage.Build, error) {
	if _, err := c.build(ctx); err != nil { // so that only the change is left to do
		return stackpage.Build{}, err
	}
	f, err := os.OpenFile(filepath.Join(c.dir, "infra", "main.go"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return stackpage.Build{}, err
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "\nvar _ = %d\n", time.Now().UnixNano()); err != nil {
		return stackpage.Build{}, err
	}
	return c.build(ctx)
}

// build builds infra. It always links, and compiles what the build cache lacks.
func (c workCopy) build(ctx context.Context, args ...string) (stackpage.Build, error) {
	stop := peaks(ctx, func(command string) bool {
		return strings.Contains(command, "/pkg/tool/") || strings.HasPrefix(command, "go build")
	})
	took, err := c.time(ctx, "go", append(append([]string{"build", "-buildvcs=false", "-o", os.DevNull}, args...), "./infra")...)
	return stackpage.Build{Took: took, Memory: stop()[0]}, err
}
