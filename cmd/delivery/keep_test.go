package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gcloud copies to and from buckets that are folders.
const gcloud = `#!/usr/bin/env bash
set -eu
[[ "$1 $2 $3" == "storage cp --quiet" ]]
from=${4/#gs:\/\//$BUCKETS/} to=${5/#gs:\/\//$BUCKETS/}
mkdir -p "$(dirname "$to")"
cp "$from" "$to"
`

// newJobs are jobs of dev and prod, with a gcloud.
func newJobs(t *testing.T) (dev, prod *job, buckets string) {
	t.Helper()
	folder, bin := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(folder, "Pulumi.yaml"):      "name: grpc-edge\n",
		filepath.Join(folder, "Pulumi.dev.yaml"):  "config:\n  gcp:project: shop-dev\n",
		filepath.Join(folder, "Pulumi.prod.yaml"): "config:\n  gcp:project: shop-prod\n",
		filepath.Join(bin, "gcloud"):              gcloud,
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	buckets = t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("BUCKETS", buckets)
	var err error
	if dev, err = newJob(folder, "dev"); err == nil {
		prod, err = newJob(folder, "prod")
	}
	if err != nil {
		t.Fatal(err)
	}
	return dev, prod, buckets
}

// leave writes the files that a job keeps.
func leave(t *testing.T, j *job, planned, runs string) {
	t.Helper()
	for name, text := range map[string]string{planFile: "the plan", commentFile: "comment", plannedFile: planned, imagesFile: runs} {
		if err := os.WriteFile(j.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsKeptForACommit(t *testing.T) {
	dev, prod, buckets := newJobs(t)
	ctx := t.Context()
	leave(t, dev, "", `{"echo":"sha256:a"}`)
	leave(t, prod, `{"echo":["sha256:a"]}`, "")
	refused := func(what, commit, tried, want string) {
		t.Helper()
		if err := prod.fetchPlan(ctx, commit, tried); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	refused("nothing is planned", "abc", "", "The build of the trigger grpc-edge-plan-prod makes it")
	if err := prod.keepPlan(ctx, "abc"); err != nil {
		t.Fatal(err)
	}
	refused("nothing is tried", "abc", "dev", "commit abc is not deployed to dev")
	if err := dev.keepImages(ctx, "abc"); err != nil {
		t.Fatal(err)
	}
	refused("another commit", "def", "dev", "there is no plan of commit def")

	leave(t, prod, "gone", "gone")
	if err := os.WriteFile(prod.file(planFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := prod.fetchPlan(ctx, "abc", "dev"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("the plan", read(t, prod.file(planFile))); diff != "" {
		t.Error(diff)
	}
	if got := read(t, filepath.Join(buckets, "shop-prod-pulumi-state", "delivery", "prod", "abc", commentFile)); got != "comment" {
		t.Errorf("the comment that was kept is %q", got)
	}

	leave(t, dev, "", `{"echo":"sha256:b"}`)
	if err := dev.keepImages(ctx, "abc"); err != nil {
		t.Fatal(err)
	}
	refused("another image was tried", "abc", "dev", `image echo: sha256:b was tried, ["sha256:a"] is planned`)
}

// TestNothingIsKeptWithoutACommit checks that a job which is no build of Cloud Build keeps nothing
// and needs no gcloud.
func TestNothingIsKeptWithoutACommit(t *testing.T) {
	_, prod, _ := newJobs(t)
	t.Setenv("PATH", "")
	if err := prod.keepPlan(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if err := prod.keepImages(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if err := prod.keepImages(t.Context(), "abc"); err == nil || !strings.Contains(err.Error(), "install the gcloud CLI") {
		t.Errorf("error = %v, want what to install", err)
	}
}
