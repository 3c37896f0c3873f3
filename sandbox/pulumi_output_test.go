package main

import (
	"strings"
	"testing"
)

// failedUp is output of the CLI v3.258.0 with --non-interactive.
const failedUp = `Updating (sandbox):
 +  pulumi:pulumi:Stack grpc-edge-sandbox creating (0s)
 +  gcp:compute:Network vpc creating (0s)
Diagnostics:
  gcp:compute:Network (vpc):
    error: googleapi: Error 409: The resource 'vpc' already exists, alreadyExists

Resources:
    + 1 created
    1 errored

Duration: 2s
`

func TestPulumiOutput(t *testing.T) {
	t.Parallel()
	var last string
	out := &pulumiOutput{status: func(s string) { last = s }}
	for _, part := range []string{failedUp[:40], failedUp[40:], "@ updating..", ".", "\n"} { // a heartbeat comes in parts
		if _, err := out.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if want := "Duration: 2s"; last != want {
		t.Errorf("got status %q, want %q", last, want)
	}
	if got, want := out.verdict(), "+ 1 created, 1 errored"; got != want {
		t.Errorf("got verdict %q, want %q", got, want)
	}
	want := "gcp:compute:Network (vpc):\n    error: googleapi: Error 409: The resource 'vpc' already exists, alreadyExists"
	if got := out.diagnostics(); got != want {
		t.Errorf("got diagnostics %q, want %q", got, want)
	}
}

func TestWaitingForADeployment(t *testing.T) {
	t.Parallel()
	out := &pulumiOutput{status: func(string) {}}
	for _, line := range []string{
		" ~  kubernetes:apps/v1:Deployment echo updating (0s) [diff: ~spec]\n",
		" ~  kubernetes:apps/v1:Deployment shop updating (0s) [diff: ~spec]; Waiting for app ReplicaSet to be available (0/1 Pods available)\n",
	} {
		if _, err := out.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	for deployment, want := range map[string]bool{"shop": true, "echo": false, "sho": false} {
		if got := out.waiting(deployment); got != want {
			t.Errorf("Pulumi waits for %s: %t, want %t", deployment, got, want)
		}
	}
}

// TestBrokenRulesAreDiagnostics checks that the diagnostics include a broken rule, which Pulumi
// prints above them.
func TestBrokenRulesAreDiagnostics(t *testing.T) {
	t.Parallel()
	const broken = `Policies:
    ❌ grpc-edge@v1.0.0 (local: policy)
        - [mandatory]  network-custom  (gcp:compute/network:Network: network)
          autoCreateSubnetworks is true, must be false

`
	out := &pulumiOutput{status: func(string) {}}
	if _, err := out.Write([]byte(strings.Replace(failedUp, "Diagnostics:", broken+"Diagnostics:", 1))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"network-custom", "autoCreateSubnetworks is true, must be false", "already exists"} {
		if got := out.diagnostics(); !strings.Contains(got, want) {
			t.Errorf("the diagnostics lack %q:\n%s", want, got)
		}
	}
}

func TestDiagnosticsWithoutASection(t *testing.T) {
	t.Parallel()
	out := &pulumiOutput{status: func(string) {}}
	if _, err := out.Write([]byte("error: no stack named 'sandbox' found\n")); err != nil {
		t.Fatal(err)
	}
	if got, want := out.diagnostics(), "error: no stack named 'sandbox' found"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestErrorsOfTheProgram checks that an error of the program is shown without the text that
// Pulumi's SDK puts before it.
func TestErrorsOfTheProgram(t *testing.T) {
	t.Parallel()
	const config = "grpc-edge:nodeCount is 0"
	for _, wrapped := range []string{
		"program failed:\n    " + config,
		`program failed:` + "\n    " + `waiting for RPCs: marshaling properties: awaiting input property "spec": ` + config,
	} {
		out := &pulumiOutput{status: func(string) {}}
		text := "Diagnostics:\n  pulumi:pulumi:Stack (grpc-edge-sandbox):\n    error: an unhandled error occurred: " + wrapped + "\n\nResources:\n    1 unchanged\n"
		if _, err := out.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, want := out.diagnostics(), "pulumi:pulumi:Stack (grpc-edge-sandbox):\n    error: "+config; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestErrorAfterACutOff checks that the warning about an interrupted run does not hide the error of
// this run, and that text which a program prints at the left margin does not end the diagnostics.
func TestErrorAfterACutOff(t *testing.T) {
	t.Parallel()
	const cutOff = `Diagnostics:
  pulumi:pulumi:Stack (grpc-edge-sandbox):
    warning: Attempting to deploy or update resources with 1 pending operations from previous deployment.
      * urn:pulumi:sandbox::grpc-edge::gcp:container/cluster:Cluster::cluster, interrupted while creating
    These resources are in an unknown state because the Pulumi CLI was interrupted while
    waiting for changes to these resources to complete.

    error: update failed
printed by the program
  kubernetes:core/v1:Namespace (grpc-edge):
    warning: it took long

  gcp:compute:Network (vpc):
    error: quota exceeded

Resources:
    1 errored
`
	out := &pulumiOutput{status: func(string) {}}
	if _, err := out.Write([]byte(cutOff)); err != nil {
		t.Fatal(err)
	}
	const want = `pulumi:pulumi:Stack (grpc-edge-sandbox):
    error: update failed
printed by the program
  gcp:compute:Network (vpc):
    error: quota exceeded`
	if got := out.diagnostics(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
