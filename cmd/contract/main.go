// Command contract reports which rules of docs/contract.md an image breaks: it reads the
// image's configuration, and runs the image on this machine as a pod would.
package main

import (
	"cmp"
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
	service := flag.String("service", "", "a service whose service.yaml says what to run, and how")
	root := flag.String("root", ".", "the repository's folder, for -service")
	start := flag.Duration("start", 0, "how long the program may take to start; a minute, or what service.yaml says")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: contract [-env NAME=value]... [-command PROGRAM] REGISTRY/PATH@sha256:… [ARGUMENT]...\n"+
			"       contract [-env NAME=value]... -service NAME\nArguments replace the image's CMD.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if (*service == "") == (flag.NArg() == 0) {
		flag.Usage()
		os.Exit(2)
	}
	t := trial{start: time.Minute}
	if *service != "" {
		var err error
		if t, err = ofService(*root, *service); err != nil {
			fail(err)
		}
		if len(t.missing) > 0 {
			fmt.Fprintf(os.Stderr, "Without its secrets %s: give the variables that it needs to start with -env.\n", strings.Join(t.missing, ", "))
		}
	} else {
		t.image, t.options.Args = flag.Arg(0), flag.Args()[1:]
	}
	t.options.Environment = append(t.options.Environment, environment...)
	t.options.Port = check.Port
	if *command != "" {
		t.options.Command = []string{*command}
	}
	problems, err := image(ctx, t.image, t.options, cmp.Or(*start, t.start))
	if err != nil {
		fail(err)
	}
	if failed := report(os.Stdout, t.image, problems); failed {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "contract:", err)
	os.Exit(1)
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
