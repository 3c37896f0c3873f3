// Command measure takes the figures of the table in README.md and writes them
// there. It works on a copy of the checkout with caches of its own, so that
// "cold" is what a newcomer sees; no other sandbox may run meanwhile.
//
//	go run ./measure          everything; about half an hour on 2 cores
//	go run ./measure -warm    leaves out what needs empty caches, and their rows as they are
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	warm := flag.Bool("warm", false, "leave out what needs empty caches")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *warm); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, warm bool) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	c, err := newCopy(ctx, root, !warm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	rows, err := measure(ctx, c, !warm)
	if err != nil {
		return err
	}
	return writeTable(filepath.Join(root, "README.md"), rows)
}
