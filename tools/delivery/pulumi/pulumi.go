// Package pulumi runs the Pulumi CLI on one stack: the installed one, or what the
// variable PULUMI names, such as the sandbox's.
package pulumi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// CLI runs Pulumi's commands on a stack.
type CLI struct {
	// Root is the folder of the repository, from which the command is run.
	Root string
	// Program is the folder with Pulumi.yaml, below Root; "" is Root itself.
	Program string
	Stack   string
	// Out is where a command says what it does.
	Out io.Writer
}

// stopGrace is how long Pulumi may finish what it has begun after it was asked to stop.
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
	// Interrupted, Pulumi finishes what it has begun and writes its state: killed, it would not.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// Run runs a command that says itself what it does, and what went wrong.
func (c CLI) Run(ctx context.Context, args ...string) error {
	cmd := c.command(ctx, args)
	cmd.Stdout = c.Out
	if err := cmd.Run(); err != nil {
		return c.failed(args, err)
	}
	return nil
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

// JSON runs a command and reads what it prints.
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

// Preview runs a command that prints a preview as JSON, and returns it along with
// what was said beside it. A preview of something that can't be done is no error here.
func (c CLI) Preview(ctx context.Context, args ...string) (preview []byte, said string, err error) {
	var out, log bytes.Buffer
	cmd := c.command(ctx, args)
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&log, c.Out)
	err = cmd.Run()
	var exit *exec.ExitError
	if ended := errors.As(err, &exit) && exit.Exited(); err != nil && !ended {
		return nil, "", c.failed(args, err)
	}
	return out.Bytes(), log.String(), ctx.Err()
}

func (c CLI) failed(args []string, err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install the Pulumi CLI, or set PULUMI to the command that runs it", err)
	}
	return fmt.Errorf("`pulumi %s` of stack %s: %w", args[0], c.Stack, err)
}
