package main

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/cmd/delivery/comment/githubtest"
)

// newPlanned returns a job of dev whose Pulumi prints a preview that the engine made.
func newPlanned(t *testing.T, preview string) *job {
	t.Helper()
	dev, _, _ := newJobs(t)
	text, err := filepath.Abs(filepath.Join("preview", "testdata", preview+".json"))
	if err != nil {
		t.Fatal(err)
	}
	stand := filepath.Join(t.TempDir(), "pulumi")
	if err := os.WriteFile(stand, []byte("#!/bin/sh\ncat "+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PULUMI", stand)
	return dev
}

// hub is GitHub with the comment of an earlier push, between others.
func hub(t *testing.T) *githubtest.Server {
	t.Helper()
	f := &githubtest.Server{Comments: []githubtest.Comment{{ID: 1, Body: "hello"}, {ID: 2, Body: "<!-- grpc-edge preview of dev -->\nold"}, {ID: 3, Body: "bye"}}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	for _, variable := range githubtest.Environment(server.URL) {
		key, value, _ := strings.Cut(variable, "=")
		t.Setenv(key, value)
	}
	return f
}

func TestPlanUpdatesItsComment(t *testing.T) {
	for preview, want := range map[string]string{"update": "### dev: 1 to update", "failure": "### dev: the preview failed"} {
		t.Run(preview, func(t *testing.T) {
			j, f := newPlanned(t, preview), hub(t)
			if err := j.plan(t.Context(), planOptions{pullRequest: 7}); (err != nil) != (preview == "failure") {
				t.Errorf("plan = %v", err)
			}
			if len(f.Comments) != 3 || f.Writes != 1 || !strings.Contains(f.Comments[1].Body, want) {
				t.Errorf("after %d writes the comments are %+v, want one with %q", f.Writes, f.Comments, want)
			}
		})
	}
}

// TestPlanOfNoPullRequest checks that, without the number of a pull request, nothing is
// written and no token is needed.
func TestPlanOfNoPullRequest(t *testing.T) {
	j := newPlanned(t, "update")
	t.Setenv("GITHUB_TOKEN", "")
	if err := j.plan(t.Context(), planOptions{}); err != nil {
		t.Error(err)
	}
	if err := j.plan(t.Context(), planOptions{pullRequest: 7}); err == nil || !strings.Contains(err.Error(), "GITHUB_TOKEN") {
		t.Errorf("error = %v, want what is missing", err)
	}
}

func TestPlanOfOtherImages(t *testing.T) {
	j := newPlanned(t, "create")
	for digest, want := range map[string]string{echoOfCreate(t): "", "sha256:0": "image echo: sha256:0 was tried"} {
		tried := filepath.Join(t.TempDir(), "images.json")
		// The second is a service built elsewhere, whose image has another name.
		if err := os.WriteFile(tried, []byte(`{"echo": "`+digest+`", "cart": "`+echoOfCreate(t)+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		err := j.plan(t.Context(), planOptions{images: tried})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s was tried: %v, want %q", digest, err, want)
		}
	}
}

// echoOfCreate returns the digest of echo in the preview.
func echoOfCreate(t *testing.T) string {
	t.Helper()
	text := read(t, filepath.Join("preview", "testdata", "create.json"))
	at := strings.Index(text, "/echo@sha256:")
	if at < 0 {
		t.Fatal("the preview has no echo")
	}
	return text[at+len("/echo@"):][:len("sha256:")+64]
}

// TestPlanOfWhatIsNotTouched checks that a pull request is not previewed if it changes only
// documents or the configuration of another stack.
func TestPlanOfWhatIsNotTouched(t *testing.T) {
	j, f := newPlanned(t, "update"), hub(t)
	git := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("git", append([]string{"-C", j.root, "-c", "user.name=n", "-c", "user.email=e@example.com"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	commit := func(file string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(j.root, file), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		git("add", file)
		git("commit", "--quiet", "--message", file)
	}
	git("init", "--quiet")
	commit("base")
	git("tag", "base")
	for file, writes := range map[string]int{"README.md": 0, "Pulumi.prod.yaml": 0, "main.go": 1} {
		git("checkout", "--quiet", "--force", "--detach", "base")
		commit(file)
		f.Writes, f.Comments = 0, nil
		if err := j.plan(t.Context(), planOptions{base: "base", touched: true, pullRequest: 7}); err != nil {
			t.Fatal(err)
		}
		if f.Writes != writes {
			t.Errorf("a change of %s wrote %d comments, want %d", file, f.Writes, writes)
		}
	}
	if err := j.plan(t.Context(), planOptions{touched: true}); err != nil || !strings.Contains(read(t, j.file(commentFile)), "1 to update") {
		t.Errorf("without a base: %v, want a preview", err)
	}
}
