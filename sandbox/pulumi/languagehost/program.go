package languagehost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/executable"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"example.com/grpc-edge/internal/subprocess"
)

// options holds the runtime options that a Pulumi.yaml may set for Go:
// https://www.pulumi.com/docs/iac/concepts/projects/project-file/#runtime-options.
type options struct {
	binary      string // an executable to run instead of building one
	buildTarget string // where to keep the executable that is built
}

func parseOptions(info *pulumirpc.ProgramInfo) (options, error) {
	var opts options
	var problems []error
	given := info.GetOptions().AsMap()
	for name, into := range map[string]*string{"binary": &opts.binary, "buildTarget": &opts.buildTarget} {
		value, set := given[name]
		if !set {
			continue
		}
		text, isText := value.(string)
		if !isText {
			problems = append(problems, fmt.Errorf(
				"runtime option %q in Pulumi.yaml is %v, it must be a string", name, value))
		}
		*into = text
	}
	if opts.binary != "" && opts.buildTarget != "" {
		problems = append(problems, errors.New(
			"runtime options \"binary\" and \"buildTarget\" in Pulumi.yaml exclude each other: remove one"))
	}
	return opts, errors.Join(problems...)
}

// executable returns what to run for the program: the one its options name, or
// one built from its sources.
func (h *Host) executable(ctx context.Context, info *pulumirpc.ProgramInfo) (string, error) {
	opts, err := parseOptions(info)
	if err != nil {
		return "", err
	}
	if opts.binary != "" {
		path, err := executable.FindExecutable(opts.binary)
		if err != nil {
			return "", fmt.Errorf("finding the program that runtime option \"binary\" names: %w", err)
		}
		return path, nil
	}
	target, err := buildTarget(info.GetProgramDirectory(), opts)
	if err != nil {
		return "", err
	}
	if begun, err := h.early.result(ctx, target); begun {
		return target, err
	}
	return target, build(ctx, info.GetProgramDirectory(), target)
}

// compileEarly begins to build the program that Run will ask for, and returns its path: the engine asks
// for the program's packages first. Run reports the errors. Commands that run no program ask,
// too, so this only rebuilds a program that was built before at the default path; otherwise the
// path is empty.
func (h *Host) compileEarly(info *pulumirpc.ProgramInfo) string {
	opts, err := parseOptions(info)
	if err != nil || opts != (options{}) {
		return ""
	}
	target, err := buildTarget(info.GetProgramDirectory(), opts)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(target); err != nil {
		return ""
	}
	h.early.begin(target, func() error { return build(h.ctx, info.GetProgramDirectory(), target) })
	return target
}

// early holds builds that began before their result is needed, by the path of their executable.
// Each result is taken once: a later Run builds again, because the sources may have changed.
type early struct {
	builds  sync.Map // of chan error
	running sync.WaitGroup
}

// begin begins a build unless one is running. A result that nobody took is forgotten.
func (e *early) begin(target string, build func() error) {
	if last, begun := e.builds.Load(target); begun && len(last.(chan error)) == 0 {
		return
	}
	done := make(chan error, 1)
	e.builds.Store(target, done)
	e.running.Go(func() { done <- build() })
}

// result reports whether the build had begun. If so, it waits for it and returns its error.
func (e *early) result(ctx context.Context, target string) (begun bool, err error) {
	done, begun := e.builds.LoadAndDelete(target)
	if !begun {
		return false, nil
	}
	select {
	case err := <-done.(chan error):
		return true, err
	case <-ctx.Done():
		return true, fmt.Errorf("compiling to %q: stopped", target)
	}
}

// upToDate reports whether a build that had begun ends well within the time, as it does if nothing
// has changed. It leaves the result.
func (e *early) upToDate(target string, limit time.Duration) bool {
	last, begun := e.builds.Load(target)
	if !begun {
		return false
	}
	done := last.(chan error)
	select {
	case err := <-done:
		done <- err
		return err == nil
	case <-time.After(limit):
		return false
	}
}

// wait waits until no build runs. Those that the host's context has ended stop at once.
func (e *early) wait() { e.running.Wait() }

// buildTarget returns the path of the executable. Without an option, each program has one fixed
// path under PULUMI_HOME. `go build` then leaves an up-to-date file as it is, which saves
// linking 100 MB at every preview.
func buildTarget(folder string, opts options) (string, error) {
	if opts.buildTarget != "" {
		return filepath.Abs(opts.buildTarget)
	}
	id := sha256.Sum256([]byte(folder))
	path, err := workspace.GetPulumiPath("languagehost", hex.EncodeToString(id[:8]))
	if err != nil {
		return "", fmt.Errorf("choosing where to build the program (set PULUMI_HOME): %w", err)
	}
	return path, nil
}

// build compiles the main package in the folder. Its error holds the compiler's
// output. The program is not stamped with its commit: git refuses to answer in a folder
// that belongs to another user, and go build would then fail.
func build(ctx context.Context, folder, target string) error {
	gobin, err := exec.LookPath("go")
	if err != nil {
		return errNoGo(err)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("creating the folder to build in: %w", err)
	}
	cmd := exec.CommandContext(ctx, gobin, "build", "-buildvcs=false", "-o", target, ".")
	cmd.Dir = folder
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // Go then removes its files
	cmd.WaitDelay = grace
	_, err = subprocess.Output(cmd)
	if ctx.Err() != nil {
		return fmt.Errorf("compiling the program in %q: stopped", folder)
	}
	if err != nil {
		return fmt.Errorf("compiling the program in %q: %w", folder, err)
	}
	// `go build -o` of a package that is not main writes an archive, not a program.
	if info, err := os.Stat(target); err != nil || info.Mode()&0o100 == 0 {
		return fmt.Errorf("compiling the program in %q: it is not a program, its package must be main", folder)
	}
	return nil
}
