package pulumicli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cli returns a CLI whose Pulumi is a shell script in the repository.
func cli(t *testing.T, script string) (CLI, *bytes.Buffer) {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "stand-in"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PULUMI", "bin/stand-in pulumi --")
	var out bytes.Buffer
	return CLI{Root: root, Stack: "dev", Out: &out}, &out
}

func TestRunsWhatPULUMINames(t *testing.T) {
	c, out := cli(t, `echo "$PWD: $*"`)
	if err := c.Run(t.Context(), "up", "--yes"); err != nil {
		t.Fatal(err)
	}
	c.Program = "/elsewhere"
	if err := c.Run(t.Context(), "preview"); err != nil {
		t.Fatal(err)
	}
	want := c.Root + ": pulumi -- up --yes --non-interactive --stack dev\n" +
		c.Root + ": pulumi -- preview --non-interactive --stack dev --cwd /elsewhere\n"
	if got := out.String(); got != want {
		t.Errorf("ran\n%s\nwant\n%s", got, want)
	}
}

func TestJSON(t *testing.T) {
	c, out := cli(t, `echo '{"a": 1}'; echo "a warning" >&2`)
	var got map[string]int
	if err := c.JSON(t.Context(), &got, "stack", "output"); err != nil || got["a"] != 1 || out.String() != "a warning\n" {
		t.Errorf("got %v (%v), beside %q", got, err, out)
	}
	c, _ = cli(t, `echo nonsense`)
	if err := c.JSON(t.Context(), &got, "stack", "output"); err == nil || !strings.Contains(err.Error(), "`pulumi stack output`") {
		t.Errorf("got %v, want what was run", err)
	}
}

// TestFailedPreview reads a failed preview's stdout, stderr and events: the reviewer needs all.
func TestFailedPreview(t *testing.T) {
	const events = `[ "$5 $PULUMI_DEBUG_COMMANDS" = "--event-log true" ] && echo '{"sequence": 1}' > "$6"; `
	for script, want := range map[string]string{"": "", events: "{\"sequence\": 1}\n"} {
		c, _ := cli(t, script+`echo '{"steps": []}'; echo "error: a key is wrong" >&2; exit 255`)
		got, err := c.Preview(t.Context(), "preview", "--json")
		if err != nil || string(got.JSON) != "{\"steps\": []}\n" || got.Said != "error: a key is wrong\n" || string(got.Events) != want {
			t.Errorf("got %q, %q, %q, %v, want the events %q", got.JSON, got.Said, got.Events, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	c, _ := cli(t, `exit 3`)
	if err := c.Run(t.Context(), "up"); err == nil || err.Error() != "`pulumi up` of stack dev: exit status 3" {
		t.Errorf("got %v", err)
	}
	t.Setenv("PULUMI", "no-such-command")
	for name, err := range map[string]error{
		"run":     c.Run(t.Context(), "up"),
		"preview": func() error { _, err := c.Preview(t.Context(), "preview"); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "install the Pulumi CLI, or set PULUMI") {
			t.Errorf("%s: got %v, want what to do", name, err)
		}
	}
}

// TestStopsGently interrupts a Pulumi that finishes its work first.
func TestStopsGently(t *testing.T) {
	c, out := cli(t, `trap 'echo finished; exit 0' INT; echo started > started; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if text, err := os.ReadFile(filepath.Join(c.Root, "started")); err == nil && len(text) > 0 {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if err := c.Run(ctx, "up"); err == nil || out.String() != "finished\n" {
		t.Errorf("Pulumi wrote %q (%v), want that it finished", out, err)
	}
}

// TestRunWaitsForOthers takes a stack that is free again after two tries, and one that
// fails for another reason.
func TestRunWaitsForOthers(t *testing.T) {
	lockPause = 0
	c, out := cli(t, `echo x >> tries; [ "$(wc -l < tries)" -gt 2 ] || { echo "error: the stack is currently locked by 1 lock(s)." >&2; exit 255; }`)
	if err := c.Run(t.Context(), "up"); err != nil || strings.Count(out.String(), "Waiting for the lock of dev") != 2 {
		t.Errorf("got %v after\n%s", err, out)
	}
	c, out = cli(t, `echo "error: no" >&2; exit 255`)
	if err := c.Run(t.Context(), "up"); err == nil || out.String() != "error: no\n" {
		t.Errorf("got %v after\n%s, want one try", err, out)
	}
}
