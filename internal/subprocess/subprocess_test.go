package subprocess

import (
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script, out string
		failed      []string
	}{
		"both streams": {"echo out; echo log >&2", "out\n", nil},
		"nothing":      {"true", "", nil},
		"failed":       {"echo out; echo why >&2; exit 3", "out\n", []string{"running `sh -c ", "exit status 3", "out\nwhy"}},
	}
	for name, test := range tests {
		out, err := Output(exec.CommandContext(t.Context(), "sh", "-c", test.script))
		if out != test.out || (err == nil) != (test.failed == nil) {
			t.Errorf("%s: Output = %q, %v; want %q", name, out, err, test.out)
		}
		for _, part := range test.failed {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error lacks %q: %v", name, part, err)
			}
		}
	}
	if _, err := Output(exec.CommandContext(t.Context(), "/nowhere")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "running `/nowhere`") {
		t.Errorf("of no program: %v, want an error that wraps fs.ErrNotExist and names the program", err)
	}
}

func TestLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	out, err := Logged(exec.CommandContext(t.Context(), "sh", "-c", "echo an answer; echo a reason >&2; exit 3"), &log)
	const all = "an answer\na reason\n"
	if out != "an answer\n" || err == nil || !strings.HasPrefix(log.String(), "$ sh -c ") || !strings.HasSuffix(log.String(), all) {
		t.Errorf("Logged() = %q, %v, with the log %q; want the answer, an error, and the command with both texts in the log", out, err, &log)
	}
}
