package main

import (
	"os/exec"
	"testing"
)

func TestShellQuote(t *testing.T) {
	t.Parallel()
	const path = `/tmp/a folder (of 'x')/$HOME/kubeconfig`
	got, err := exec.Command("sh", "-c", `eval "export KUBECONFIG=`+`$0"; printf %s "$KUBECONFIG"`, shellQuote(path)).Output()
	if err != nil || string(got) != path {
		t.Errorf("a shell reads %s as %q, %v, want %q", shellQuote(path), got, err, path)
	}
}
