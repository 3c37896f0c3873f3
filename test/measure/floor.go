package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// previews is how often each of two previews is timed, in turns: the machine may
// be slower one moment than the next.
const previews = 5

// emptyProgram does nothing, with the SDK and the engine of the real one.
const emptyProgram = `package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() { pulumi.Run(func(*pulumi.Context) error { return nil }) }
`

// floor compares a preview that finds no change with that of an empty program,
// which is the least that the engine takes.
func (c workCopy) floor(ctx context.Context) ([]row, error) {
	dir := filepath.Join(c.dir, ".cache", "empty")
	if err := c.writeEmpty(ctx, dir); err != nil {
		return nil, err
	}
	pulumi := func(args ...string) (time.Duration, error) {
		return c.time(ctx, ".cache/bin/sandbox", append([]string{"pulumi", "--"}, args...)...)
	}
	if _, err := pulumi("--cwd", dir, "stack", "init", "empty"); err != nil {
		return nil, err
	}
	var empty, whole []time.Duration
	for range previews {
		took, err := pulumi("--cwd", dir, "preview", "--stack", "empty")
		if err != nil {
			return nil, err
		}
		empty = append(empty, took)
		if took, err = pulumi("preview", "--stack", "sandbox"); err != nil {
			return nil, err
		}
		whole = append(whole, took)
	}
	return []row{{
		"`pulumi preview` without a change, and of an empty program",
		fmt.Sprintf("%s and %s: %.1f times the engine's floor", duration(median(whole)), duration(median(empty)), median(whole).Seconds()/median(empty).Seconds()),
	}}, nil
}

// writeEmpty makes a project next to the real one, with the versions of infra.
func (c workCopy) writeEmpty(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(c.dir, "infra", "go.sum"))
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"Pulumi.yaml": "name: empty\nruntime: go\n", "main.go": emptyProgram, "go.mod": "module empty\n\ngo 1.26.0\n", "go.sum": string(sums),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	version, err := c.command(ctx, "go", "-C", "infra", "list", "-m", "-f", "{{.Version}}", "github.com/pulumi/pulumi/sdk/v3").Output()
	if err != nil {
		return fmt.Errorf("reading the version of the SDK: %w", err)
	}
	_, err = c.time(ctx, "sh", "-c", fmt.Sprintf("cd %s && export GOWORK=off && go mod edit -require=github.com/pulumi/pulumi/sdk/v3@%s && go mod tidy", dir, version[:len(version)-1]))
	return err
}

func median(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// stateSize is that of the state as it is kept.
func (c workCopy) stateSize(ctx context.Context) ([]row, error) {
	out, err := c.command(ctx, ".cache/bin/sandbox", "pulumi", "--", "stack", "export", "--stack", "sandbox").Output()
	if err != nil {
		return nil, fmt.Errorf("exporting the state: %w", err)
	}
	return []row{{"state of the stack", megabytes(int64(len(out)))}}, nil
}
