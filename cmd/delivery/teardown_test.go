package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/cmd/delivery/pulumicli"
)

// TestUnprotect removes the protection of a stack that is deployed after another: the program
// refuses promotedFrom without deletionProtection, so both go at once.
func TestUnprotect(t *testing.T) {
	_, prod, _ := newJobs(t)
	ran := filepath.Join(t.TempDir(), "ran")
	script := "#!/bin/sh\necho \"$*\" >> " + ran + "\n"
	if err := os.WriteFile(filepath.Join(prod.root, "stand-in"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PULUMI", "./stand-in")
	prod.cli = pulumicli.CLI{Root: prod.root, Stack: prod.stack, Out: io.Discard}
	if err := prod.unprotect(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(ran)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"up --yes", "--config grpc-edge:deletionProtection=false --config grpc-edge:promotedFrom= "} {
		if !strings.Contains(string(got), want) {
			t.Errorf("ran %s, want %q", got, want)
		}
	}
}
