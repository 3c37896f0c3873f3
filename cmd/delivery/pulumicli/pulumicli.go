// Package pulumicli runs the Pulumi CLI on one stack: the installed one, or what the
// variable PULUMI names, such as the sandbox's.
package pulumicli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/internal/wait"
)

// CLI runs Pulumi's commands on a stack.
type CLI struct {
	// Root is the folder of the repository, in which the command runs.
	Root string
	// Program is the folder with Pulumi.yaml, below Root; "" is Root itself.
	Program string
	Stack   string
	// Out receives the output of commands.
	Out io.Writer
}

// stopGrace is the time that Pulumi has, once asked to stop, to finish what it has started.
const stopGrace = 5 * time.Minute

func (c CLI) command(ctx context.Context, args []string) *exec.Cmd {
	words := strings.Fields(os.Getenv("PULUMI"))
	if len(words) == 0 {
		words = []string{"pulumi"}
	}
	words = append(words, args...)
	words = append(words, "--non-interactive")
	if c.Stack != "" {
		words = append(words, "--stack", c.Stack)
	}
	if c.Program != "" {
		words = append(words, "--cwd", c.Program)
	}
	name := words[0]
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = filepath.Join(c.Root, name)
	}
	cmd := exec.CommandContext(ctx, name, words[1:]...)
	cmd.Dir, cmd.Stderr = c.Root, c.Out
	// On an interrupt Pulumi finishes what it has started and writes its state. If killed, it
	// would not.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// A stack that somebody else changes is locked (pulumi v3.258, backend/diy, Lock). Workflows
// wait for one another, but Cloud Build runs the builds of two commits at once. So this
// waits for the maximum duration of an update: half an hour.
const (
	locked    = "the stack is currently locked by"
	lockTries = 120
)

var lockPause = 15 * time.Second

// Failure is an error of a command that [CLI.Run] ran.
type Failure struct {
	err error
	// Said holds all output of the command.
	Said string
}

func (f *Failure) Error() string { return f.err.Error() }
func (f *Failure) Unwrap() error { return f.err }

// Run waits until nobody else changes the stack, and runs a command that prints its own
// progress and errors.
func (c CLI) Run(ctx context.Context, args ...string) error {
	for try := 1; ; try++ {
		var said bytes.Buffer
		cmd := c.command(ctx, args)
		both := io.MultiWriter(&said, c.Out) // one writer, so that what is written stays in its order
		cmd.Stdout, cmd.Stderr = both, both
		err := cmd.Run()
		if err == nil {
			return nil
		}
		if try == lockTries || !strings.Contains(said.String(), locked) {
			return &Failure{err: c.failed(args, err), Said: said.String()}
		}
		fmt.Fprintf(c.Out, "Waiting for the lock of %s. If a killed run left it: `pulumi cancel --stack %s`.\n", c.Stack, c.Stack)
		if err := wait.For(ctx, lockPause); err != nil {
			return c.failed(args, err)
		}
	}
}

// Output runs a command and returns what it prints.
func (c CLI) Output(ctx context.Context, args ...string) ([]byte, error) {
	var out bytes.Buffer
	cmd := c.command(ctx, args)
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return nil, c.failed(args, err)
	}
	return out.Bytes(), nil
}

// JSON runs a command and unmarshals its output.
func (c CLI) JSON(ctx context.Context, into any, args ...string) error {
	out, err := c.Output(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("reading what `pulumi %s` printed: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Previewed holds what Pulumi tells about a preview.
type Previewed struct {
	// JSON is the preview itself.
	JSON []byte
	// Events holds the events of the engine, one a line. Among them are violations of policies,
	// which the JSON lacks (pulumi v3.276, backend/display/json.go).
	Events []byte
	// Said is the standard error of the command.
	Said string
}

// Preview runs a command that prints a preview as JSON. A preview of something that can't be
// done is no error here.
func (c CLI) Preview(ctx context.Context, args ...string) (Previewed, error) {
	folder, err := os.MkdirTemp("", "preview")
	if err != nil {
		return Previewed{}, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is left is the system's to clean up
	events := filepath.Join(folder, "events")
	var out, log bytes.Buffer
	cmd := c.command(ctx, append(slices.Clone(args), "--event-log", events))
	cmd.Env = append(os.Environ(), "PULUMI_DEBUG_COMMANDS=true") // which that flag needs
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&log, c.Out)
	err = cmd.Run()
	var exit *exec.ExitError
	if ended := errors.As(err, &exit) && exit.Exited(); err != nil && !ended {
		return Previewed{}, c.failed(args, err)
	}
	p := Previewed{JSON: out.Bytes(), Said: log.String()}
	if p.Events, err = os.ReadFile(events); err != nil && !errors.Is(err, fs.ErrNotExist) { // there is none if Pulumi ended before
		return Previewed{}, err
	}
	return p, ctx.Err()
}

func (c CLI) failed(args []string, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install the Pulumi CLI, or set PULUMI to the command that runs it", err)
	}
	return fmt.Errorf("`pulumi %s` of stack %s: %w", args[0], c.Stack, err)
}
