// Package preflight previews every stack of the repository, and stacks that set every key,
// with Pulumi's official plugins instead of the sandbox's stand-ins. It needs no account:
// the state is in a folder, the provider gets a fake token, and this package answers a
// preview's requests to Google.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/internal/stackfile"
	"example.com/grpc-edge/internal/workcopy"
)

// Options selects what is previewed.
type Options struct {
	// Root is the folder of the repository. Run works on a copy.
	Root string
	// Only lists the names of stacks; empty for all.
	Only []string
	// Out receives the progress.
	Out io.Writer
}

// Run previews the stacks one after the other. After all were tried, it returns an error
// that names those that failed.
func Run(ctx context.Context, o Options) error {
	stacks, err := Stacks(o.Root)
	if err != nil {
		return err
	}
	if len(o.Only) > 0 {
		stacks = slices.DeleteFunc(stacks, func(s Stack) bool { return !slices.Contains(o.Only, s.Name) })
		if len(stacks) != len(o.Only) {
			return fmt.Errorf("there is no stack for each of %s", strings.Join(o.Only, ", "))
		}
	}
	plugins, err := required(o.Root)
	if err != nil {
		return err
	}
	if err := install(ctx, plugins, o.Out); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "preflight-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is the system's to clean up
	google := serveGoogle()
	defer google.Close()
	f := &flight{root: filepath.Join(dir, "repository"), state: filepath.Join(dir, "state"), google: google.URL, out: o.Out}
	// Pulumi writes into the files of stacks.
	if err := errors.Join(os.MkdirAll(f.state, 0o700), workcopy.Sources(o.Root, f.root)); err != nil {
		return fmt.Errorf("copying the repository: %w", err)
	}
	var failed []string
	for _, s := range stacks {
		if err := f.preview(ctx, s); err != nil {
			fmt.Fprintf(o.Out, "%s: %v\n", s.Name, err)
			failed = append(failed, s.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d stacks cannot be previewed: %s", len(failed), len(stacks), strings.Join(failed, ", "))
	}
	fmt.Fprintf(o.Out, "%d stacks can be previewed, and pass every policy\n", len(stacks))
	return ctx.Err()
}

// flight holds the state of one run.
type flight struct {
	root, state, google string
	out                 io.Writer
}

// preview creates a stack, and previews it with the policies.
func (f *flight) preview(ctx context.Context, s Stack) error {
	text, err := s.file(f.google)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(f.root, stackfile.Name(s.Name)), text, 0o600); err != nil {
		return err
	}
	if out, err := f.pulumi(ctx, "", "stack", "init", s.Name, "--no-select"); err != nil {
		return fmt.Errorf("creating the stack: %w\n%s", err, out)
	}
	for key, value := range s.Secrets {
		if out, err := f.pulumi(ctx, value, "config", "set", "--secret", key, "--stack", s.Name); err != nil {
			return fmt.Errorf("setting %s: %w\n%s", key, err, out)
		}
	}
	began := time.Now()
	out, err := f.pulumi(ctx, "", "preview", "--stack", s.Name, "--policy-pack", "policy", "--suppress-progress")
	if err != nil {
		return fmt.Errorf("previewing: %w\n%s", err, out)
	}
	fmt.Fprintf(f.out, "%s: %s, %s\n", s.Name, created(out), time.Since(began).Round(time.Second))
	return nil
}

// created returns the line of a preview that counts the resources to create.
func created(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "to create") {
			return strings.TrimSpace(line)
		}
	}
	return "nothing to create"
}

// pulumi runs the CLI on the copy, without the caller's credentials.
func (f *flight) pulumi(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command, append(args, "--non-interactive")...)
	cmd.Dir, cmd.Stdin = f.root, strings.NewReader(stdin)
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !strings.HasPrefix(name, "GOOGLE_") && !strings.HasPrefix(name, "PULUMI_CONFIG") &&
			name != "PULUMI_BACKEND_URL" && name != "PULUMI_STACK" {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "PULUMI_BACKEND_URL=file://"+f.state, "PULUMI_CONFIG_PASSPHRASE=preflight",
		"PULUMI_SKIP_UPDATE_CHECK=true", "GOOGLE_OAUTH_ACCESS_TOKEN=preflight")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return string(out), errors.New("cancelled")
	}
	return string(out), err
}

// command is the Pulumi CLI. The sandbox's does not work here: it has stand-ins for plugins.
const command = "pulumi"
