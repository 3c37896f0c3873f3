package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// planWith returns a plan as Pulumi saves it, with the outputs of the stack.
func planWith(outputs string) string {
	return `{"manifest": {}, "resourcePlans": {
		"urn:pulumi:dev::grpc-edge::pulumi:pulumi:Stack::grpc-edge-dev": {"goal": {}, "steps": ["same"], "state": ` + outputs + `},
		"urn:pulumi:dev::grpc-edge::grpc-edge:infra:Gone::gone": {"goal": {}, "state": {"name": "gone"}}
	}}`
}

// TestRefusedForOutputs checks that Pulumi refuses a plan with other outputs and says nothing: the
// error names them.
func TestRefusedForOutputs(t *testing.T) {
	const secretA = `{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "A"}`
	planned := planWith(`{"address": "192.0.2.1", "region": "us-central1", "key": ` + secretA + `, "later": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "old": 1}`)
	now := planWith(`{"address": "192.0.2.2", "region": "us-central1", "key": ` + strings.Replace(secretA, `"A"`, `"B"`, 1) + `, "later": "x", "grpcurl": {"a": "b"}}`)
	now = strings.Replace(now, "::grpc-edge:infra:Gone::gone", "::grpc-edge:infra:Come::come", 1)
	const previewed = `{"steps": []}`
	for _, test := range []struct{ said, preview, now, want string }{
		{"updating", previewed, now, `These outputs are not what the plan says:
  address of grpc-edge-dev: planned "192.0.2.1", now "192.0.2.2"
  grpcurl of grpc-edge-dev: planned nothing, now {"a":"b"}
  old of grpc-edge-dev: planned 1, now nothing
`},
		{"updating", previewed, strings.Replace(planned, `"A"`, `"B"`, 1), "Pulumi does not say why, and a new preview shows the same outputs. A secret among them may differ.\n"},
		{"error: resource urn:x violates plan", previewed, now, ""},
		{"updating", `{"diagnostics": [{"message": "no", "severity": "error"}]}`, now, "A new preview fails, too. `make plan` says why.\n"},
	} {
		j, _, _ := newJobs(t)
		folder := t.TempDir()
		for name, content := range map[string]string{"plan": planned, "again": test.now, "pulumi": `#!/bin/sh
case "$1" in
up) echo "` + test.said + `"; exit 1 ;;
preview)
	while [ $# -gt 1 ]; do
		if [ "$1" = --save-plan ]; then cp "` + filepath.Join(folder, "again") + `" "$2"; fi
		shift
	done
	echo '` + test.preview + `' ;;
esac
`} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PULUMI", filepath.Join(folder, "pulumi"))
		err := j.deploy(t.Context(), deployOptions{plan: filepath.Join(folder, "plan")})
		if err == nil {
			t.Fatal("the deployment succeeded")
		}
		_, got, _ := strings.Cut(err.Error(), "\n")
		got, _, _ = strings.Cut(got, "Completed changes stay")
		if got != test.want {
			t.Errorf("after %q and the preview %s the error says\n%s\nwant\n%s\nin\n%v", test.said, test.preview, got, test.want, err)
		}
	}
}
