// Command protos compiles the protos of the services with buf: into the descriptors
// that the stack reads, the Go code of services that are Go modules, and the OpenAPI
// document of all that have a place at the edge.
//
//	protos [-root ROOT] generate | check | lint
//
// Each service is compiled alone, so that two may have files of one path. What protos
// may import from elsewhere is in the Go packages that imports.go lists.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if err := run(ctx, *root, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "protos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, command string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if err := writeImports(root); err != nil {
		return err
	}
	services, err := readServices(root)
	if err != nil {
		return err
	}
	switch command {
	case "generate":
		written, err := generate(ctx, root, services)
		if err != nil {
			return err
		}
		return removeStale(root, services, written)
	case "check":
		return check(ctx, root, services)
	case "lint":
		return lint(ctx, services)
	}
	return fmt.Errorf("the command is %q; it must be generate, check or lint", command)
}

// generate writes everything that follows from the protos below the folder out, which
// is the root or a copy of it. It returns the paths of the files from there.
func generate(ctx context.Context, out string, services []service) (written map[string]bool, err error) {
	written = map[string]bool{}
	public := document{}
	for _, s := range services {
		fmt.Fprintf(os.Stderr, "compiling the protos in %s\n", s.folder)
		set, err := s.compile(ctx)
		if err != nil {
			return nil, err
		}
		if err := public.add(s, set); err != nil {
			return nil, err
		}
		files, err := s.generateCode(ctx, out, set)
		if err != nil {
			return nil, err
		}
		for _, file := range append(files, s.descriptorFile()) {
			written[file] = true
		}
		if err := writeDescriptor(filepath.Join(out, s.descriptorFile()), set); err != nil {
			return nil, err
		}
	}
	content, err := public.yaml(ctx)
	if err != nil {
		return nil, err
	}
	written[documentFile] = true
	return written, writeFile(filepath.Join(out, documentFile), content)
}

// check fails, and shows the difference, if generated files are not up to date.
func check(ctx context.Context, root string, services []service) error {
	out, err := os.MkdirTemp("", "protos-")
	if err != nil {
		return fmt.Errorf("creating a folder for what is generated: %w", err)
	}
	defer func() { _ = os.RemoveAll(out) }()
	written, err := generate(ctx, out, services)
	if err != nil {
		return err
	}
	var stale []string
	for file := range written {
		if output, err := exec.CommandContext(ctx, "diff", "--unified", "--new-file", filepath.Join(root, file), filepath.Join(out, file)).CombinedOutput(); err != nil {
			stale = append(stale, file+" is not what the protos say:\n"+string(output))
		}
	}
	found, err := generatedCode(services)
	if err != nil {
		return err
	}
	for _, file := range found {
		if !written[file] {
			stale = append(stale, file+" belongs to a proto that no longer exists\n")
		}
	}
	if len(stale) > 0 {
		return errors.New(strings.Join(stale, "") + "write them again with: make generate")
	}
	return nil
}

// removeStale removes the Go code of protos that no longer exist.
func removeStale(root string, services []service, written map[string]bool) error {
	found, err := generatedCode(services)
	for _, file := range found {
		if !written[file] {
			err = errors.Join(err, os.Remove(filepath.Join(root, file)))
		}
	}
	return err
}

// lint checks the protos' style and format. A service whose folder buf.yaml ignores is
// left alone.
func lint(ctx context.Context, services []service) error {
	var errs []error
	for _, s := range services {
		if s.ignored() {
			continue
		}
		_, err := s.buf(ctx, "lint", s.importRoot)
		_, formatted := s.buf(ctx, "format", "--diff", "--exit-code", s.importRoot)
		errs = append(errs, err, formatted)
	}
	return errors.Join(errs...)
}
