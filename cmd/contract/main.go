// The command contract reports which rules of docs/contract.md an image breaks: it reads the
// image's configuration, and runs the image on this machine as a pod would.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"example.com/grpc-edge/cmd/contract/check"
	"example.com/grpc-edge/cmd/contract/run"
)

// variables is a flag that may be repeated.
type variables []string

// String implements flag.Value.
func (v *variables) String() string { return strings.Join(*v, " ") }

// Set implements flag.Value.
func (v *variables) Set(text string) error {
	if !strings.Contains(text, "=") {
		return fmt.Errorf("must be NAME=value")
	}
	*v = append(*v, text)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var environment variables
	flag.Var(&environment, "env", "a variable that the program needs, NAME=value; may be repeated")
	command := flag.String("command", "", "a program to run instead of the image's ENTRYPOINT and CMD")
	start := flag.Duration("start", time.Minute, "how long the program may take to start")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: contract [-env NAME=value]... [-command PROGRAM] REGISTRY/PATH@sha256:… [ARGUMENT]...\n"+
			"Arguments replace the image's CMD.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	options := run.Options{Environment: environment, Args: flag.Args()[1:]}
	if *command != "" {
		options.Command = []string{*command}
	}
	problems, err := image(ctx, flag.Arg(0), options, *start)
	if err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(1)
	}
	if failed := report(os.Stdout, flag.Arg(0), problems); failed {
		os.Exit(1)
	}
}

// image checks the image of a reference, and runs it if its configuration breaks nothing.
func image(ctx context.Context, reference string, options run.Options, start time.Duration) ([]check.Problem, error) {
	problems := check.Image(ctx, reference, runtime.GOARCH, options.Command)
	if slices.ContainsFunc(problems, func(p check.Problem) bool { return !p.Warning }) {
		return problems, nil
	}
	digest, err := name.NewDigest(reference)
	if err != nil {
		return nil, err
	}
	pulled, err := remote.Image(digest, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		return nil, fmt.Errorf("pulling %s: %w", reference, err)
	}
	ran, err := runs(ctx, pulled, options, start)
	return append(problems, ran...), err
}

func runs(ctx context.Context, pulled v1.Image, options run.Options, start time.Duration) ([]check.Problem, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("running the image as a pod would takes root: run this with sudo")
	}
	folder, err := os.MkdirTemp("", "contract-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is left is the system's to clean up
	if err := os.Chmod(folder, 0o755); err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "Running it as a pod would, which takes about half a minute …")
	program, err := run.Start(ctx, pulled, folder, options)
	if err != nil {
		return nil, err
	}
	problems := run.Check(ctx, program, run.Checks{Start: start, Pings: true})
	return problems, program.Stop()
}

// report prints the problems, and returns true if there are any but warnings.
func report(out io.Writer, reference string, problems []check.Problem) (failed bool) {
	for _, problem := range problems {
		kind := "broken"
		if problem.Warning {
			kind = "warning"
		} else {
			failed = true
		}
		fmt.Fprintf(out, "%s: %s\n", kind, problem.Text)
	}
	if !failed {
		fmt.Fprintf(out, "%s follows docs/contract.md, as far as can be seen from outside\n", reference)
	}
	return failed
}
