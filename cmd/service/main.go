// Command service adds a service that works and is tested, makes one call another, renames one,
// or removes one.
//
//	service [-root ROOT] add NAME
//	service [-root ROOT] calls NAME CALLED
//	service [-root ROOT] rename NAME TO
//	service [-root ROOT] remove NAME
//
// A service is its folder, services/NAME, and a line in go.work. Everything is checked
// before anything is written; if generating the code of the protos fails, a new service
// is removed again.
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
	if err := run(ctx, *root, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string, args []string, out io.Writer) error {
	args = append(args, "", "", "")
	name := args[1]
	switch args[0] {
	case "add":
		return add(ctx, root, name, out)
	case "calls":
		return addCall(root, name, args[2], out)
	case "rename":
		return rename(ctx, root, name, args[2], out)
	case "remove":
		return remove(ctx, root, name, out)
	}
	return fmt.Errorf("the command is %q; it must be add, calls, rename or remove", args[0])
}

// add writes the service and generates its code, or leaves everything as it was.
func add(ctx context.Context, root, name string, out io.Writer) error {
	undo, err := write(root, name)
	if err == nil {
		err = generate(ctx, root, out)
	}
	if err != nil {
		return errors.Join(err, undo())
	}
	n := namesOf(name)
	fmt.Fprintf(out, `
The service %[2]s.%[3]s is written to services/%[1]s, and %[1]s is listed in go.work.
Say in services/%[1]s/%[4]s/%[5]s.proto what it does, and do it in services/%[1]s/handlers.go. Then:

  make generate              after a change of the proto
  make unit M=services/%[1]s
  make up                    deploys it, and prints how to call it
`, name, n.Package, n.Service, n.ProtoDir, n.Snake)
	return nil
}

// generate prints its progress: the first time it builds its tools, for minutes.
func generate(ctx context.Context, root string, out io.Writer) error {
	command := exec.CommandContext(ctx, "make", "--no-print-directory", "protos")
	command.Dir, command.Stdout, command.Stderr = root, out, out
	if err := command.Run(); err != nil {
		return fmt.Errorf("generating code with `make protos`: %w", err)
	}
	return nil
}

func folder(root, name string) string { return filepath.Join(root, "services", name) }
