package main

import (
	"fmt"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
)

func TestFaultsAreAdded(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []gcp.Fault{{Answer: "quota", Kind: "Cluster", Count: 1}, {Answer: "slow", Seconds: 60}} {
		if err := addFault(dir, f); err != nil {
			t.Errorf("fault add %s = %v", f, err)
		}
	}
	if err := addFault(dir, gcp.Fault{Answer: "bogus"}); err == nil || !strings.Contains(err.Error(), "rate-limit") {
		t.Errorf("fault add bogus = %v, want the answers that there are", err)
	}
	if list, err := gcp.Faults(dir); err != nil || fmt.Sprint(list) != "[quota --kind Cluster --count 1 slow --seconds 60]" {
		t.Errorf("the faults are %v, %v", list, err)
	}
}

// TestFaultFlags reads a command line as a user writes it.
func TestFaultFlags(t *testing.T) {
	root := newCommand()
	add, args, err := root.Find(strings.Fields("fault add rate-limit --kind Network --count 3"))
	if err != nil || add.Name() != "add" {
		t.Fatalf("finding the command: %v, %v", add, err)
	}
	if err := add.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if err := add.ValidateArgs(add.Flags().Args()); err != nil {
		t.Error(err)
	}
	for flag, want := range map[string]string{"kind": "Network", "count": "3", "verb": ""} {
		if got := add.Flag(flag).Value.String(); got != want {
			t.Errorf("--%s is %q, want %q", flag, got, want)
		}
	}
}
