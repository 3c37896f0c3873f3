package shell

import (
	"os/exec"
	"testing"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	const path = `/tmp/a folder (of 'x')/$HOME/kubeconfig`
	got, err := exec.Command("sh", "-c", `eval "export KUBECONFIG=`+`$0"; printf %s "$KUBECONFIG"`, Quote(path)).Output()
	if err != nil || string(got) != path {
		t.Errorf("a shell reads %s as %q, %v, want %q", Quote(path), got, err, path)
	}
}

// TestQuoted compares the texts themselves: a person sees them in the outputs of a stack.
func TestQuoted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{`{}`: `'{}'`, `"it's"`: `'"it'\''s"'`} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%s) = %s, want %s", text, got, want)
		}
	}
}
