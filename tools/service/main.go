// Command service writes a new service, which works and is tested: its module in
// services/NAME, and the lines that name it in go.work, buf.yaml and infra. What
// all services have in common is copied from services/echo; the rest is in
// templates.
//
//	service [-root ROOT] NAME
//
// All is checked before anything is written, and if generating the code of its
// proto fails, all is taken back.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if err := run(ctx, *root, flag.Arg(0), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// run writes the service and generates its code, or leaves everything as it was.
func run(ctx context.Context, root, name string, out io.Writer) error {
	if err := check(root, name); err != nil {
		return err
	}
	files, err := plan(root, name)
	if err != nil {
		return err
	}
	undo, err := write(root, files)
	if err == nil {
		err = generate(ctx, root)
	}
	if err != nil {
		return errors.Join(err, undo())
	}
	report(out, name, files)
	return nil
}

func generate(ctx context.Context, root string) error {
	command := exec.CommandContext(ctx, "make", "--no-print-directory", "generate")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("generating code with `make generate`: %w\n%s", err, output)
	}
	return nil
}

// write writes the files. What undo does is right also after an error.
func write(root string, files []file) (undo func() error, err error) {
	var steps []func() error
	undo = func() error {
		var failed []error
		for _, step := range steps {
			failed = append(failed, step())
		}
		if err := errors.Join(failed...); err != nil {
			return fmt.Errorf("taking back what was written, see `git status`: %w", err)
		}
		return nil
	}
	for _, f := range files {
		path := filepath.Join(root, f.path)
		if f.folder != "" {
			steps = append(steps, func() error { return os.RemoveAll(filepath.Join(root, f.folder)) })
		} else {
			steps = append(steps, func() error { return os.WriteFile(path, f.before, 0o644) })
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return undo, fmt.Errorf("making the folder of %s: %w", f.path, err)
		}
		if err := os.WriteFile(path, f.after, 0o644); err != nil {
			return undo, fmt.Errorf("writing %s: %w", f.path, err)
		}
	}
	return undo, nil
}

func report(out io.Writer, name string, files []file) {
	fmt.Fprintf(out, "The service api.%s is written, and generated from its proto:\n\n", camel(name))
	for _, f := range files {
		verb := "changed"
		if f.folder != "" {
			verb = "new"
		}
		fmt.Fprintf(out, "  %-8s %s\n", verb, f.path)
	}
	fmt.Fprintf(out, `
Say in services/%[1]s/api/%[1]s.proto what it is for, and do it in services/%[1]s/handlers.go. Then:

  make generate              after a change of the proto
  make unit M=services/%[1]s
  make up                    deploys it, and prints how to call it
`, name)
}
