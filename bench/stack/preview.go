package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"example.com/grpc-edge/bench/stack/stackpage"
)

// turns is the number of measurements of each preview. Previews take turns, because the speed
// of the machine may vary.
const turns = 5

// emptyProgram is a program that does nothing, with the SDK and the engine of the real one.
const emptyProgram = `package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() { pulumi.Run(func(*pulumi.Context) error { return nil }) }
`

// previews measures previews without changes: of the stack, and of an empty program, which
// shows the least time that the engine takes.
func (c workCopy) previews(ctx context.Context, r *stackpage.Results) error {
	dir := filepath.Join(c.dir, ".cache", "empty")
	if err := c.writeEmpty(ctx, dir); err != nil {
		return err
	}
	if _, err := c.pulumi(ctx, "up", "--yes", "--skip-preview", "--cwd", dir, "--stack", "empty"); err != nil {
		return err
	}
	kinds := []struct {
		args  []string
		times *[]time.Duration
	}{
		{[]string{"--cwd", dir, "--stack", "empty"}, &r.Empty},
		{[]string{"--stack", "sandbox"}, &r.Whole},
		{[]string{"--stack", "sandbox", "--policy-pack", "policy"}, &r.Checked},
	}
	for turn := range turns + 1 {
		for _, k := range kinds {
			took, err := c.preview(ctx, k.args...)
			if err != nil {
				return err
			}
			if turn == 0 { // the first turn compiles what is missing
				*k.times = nil
				continue
			}
			*k.times = append(*k.times, took)
		}
	}
	return nil
}

// preview runs a preview and returns its duration. It fails if there is a change.
func (c workCopy) preview(ctx context.Context, args ...string) (time.Duration, error) {
	return c.pulumi(ctx, append([]string{"preview", "--expect-no-changes"}, args...)...)
}

func (c workCopy) pulumi(ctx context.Context, args ...string) (time.Duration, error) {
	return c.time(ctx, ".cache/bin/sandbox", append([]string{"pulumi", "--"}, args...)...)
}

// writeEmpty creates a project of emptyProgram with the versions of infra.
func (c workCopy) writeEmpty(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(c.dir, "infra", "go.sum"))
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"Pulumi.yaml": "name: grpc-edge\nruntime: go\n", "Pulumi.empty.yaml": "config: {}\n", "main.go": emptyProgram, "go.mod": "module empty\n\ngo 1.26.0\n", "go.sum": string(sums),
		"go.work": "go " + strings.TrimPrefix(runtime.Version(), "go") + "\n\nuse .\n", // otherwise go uses that of the copy
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	version, err := c.run(ctx, "go", "-C", "infra", "list", "-m", "-f", "{{.Version}}", "github.com/pulumi/pulumi/sdk/v3")
	if err != nil {
		return fmt.Errorf("reading the version of the SDK: %w", err)
	}
	const tidy = `cd "$0" && export GOWORK=off && go mod edit -require=github.com/pulumi/pulumi/sdk/v3@"$1" && go mod tidy`
	_, err = c.time(ctx, "sh", "-c", tidy, dir, strings.TrimSpace(version))
	return err
}
