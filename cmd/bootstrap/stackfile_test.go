package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"example.com/grpc-edge/internal/stackfile"
)

func testRun(stack, repository string) *bootstrap {
	return &bootstrap{options: options{project: fakeProject, repository: repository, stack: stack}, region: "us-central1", number: fakeNumber}
}

// planned edits a file as a run does, and returns what it has then.
func planned(t *testing.T, b *bootstrap, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	stack, ok := stackfile.Stack(name)
	if !ok {
		t.Fatalf("%s is not the name of a stack's file", name)
	}
	file, err := stackfile.Read(filepath.Dir(path), stack)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := b.planFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if steps[0].do != nil {
		if err := steps[0].do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestFiles edits copies of the repository's files.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, stack := range []string{"dev", "prod"} {
		got := planned(t, testRun(stack, "owner/name"), "Pulumi."+stack+".yaml")
		golden.Assert(t, got, "Pulumi."+stack+".edited.yaml")
		if again := planned(t, testRun(stack, "owner/name"), "Pulumi."+stack+".edited.yaml"); again != got {
			t.Errorf("%s: edited again it is\n%s", stack, again)
		}
	}
}

// TestSavedByPulumi leaves what `pulumi stack init` of Pulumi 3.258 makes of an edited
// file: without empty lines, with quotes, and with encryptedkey.
func TestSavedByPulumi(t *testing.T) {
	t.Parallel()
	saved, err := os.ReadFile("testdata/Pulumi.dev.saved.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := planned(t, testRun("dev", "owner/name"), "Pulumi.dev.saved.yaml"); got != string(saved) {
		t.Errorf("it is changed to\n%s", got)
	}
}

// TestNoCredentials checks that a run without credentials fails with the command that gets some. It
// sets the environment, so it is not parallel.
func TestNoCredentials(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "missing.json"))
	err := run(t.Context(), defaults, strings.NewReader(""), &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "gcloud auth application-default login") {
		t.Errorf("run without credentials = %v, want the command that gets some", err)
	}
}
