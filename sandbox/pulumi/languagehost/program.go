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
	if early, done := h.early.LoadAndDelete(target); done {
		err, _ := early.(error) // nil if it was built
		return target, err
	}
	return target, build(ctx, info.GetProgramDirectory(), target)
}

// compileEarly rebuilds the program that the next Run asks for, and returns its path. Run reports an
// error. The path is then empty, and also if the program was not built before at the default path:
// commands that run no program ask for packages too.
func (h *Host) compileEarly(ctx context.Context, info *pulumirpc.ProgramInfo) string {
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
	ctx, release := h.within(ctx)
	defer release()
	h.tellCompiling(ctx, info)
	err = build(ctx, info.GetProgramDirectory(), target)
	h.early.Store(target, err)
	if err != nil {
		return ""
	}
	return target
}

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
