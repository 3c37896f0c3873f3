package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"example.com/grpc-edge/cmd/delivery/environment"
)

// keptURL returns the URL where a build of Cloud Build leaves a file for a later build of
// the same commit, since it has no artifacts like a workflow's. The file is beside the
// state, under a prefix that only builds of the branch may write to (infra/delivery).
func keptURL(env environment.Environment, commit, name string) string {
	return fmt.Sprintf("%s/delivery/%s/%s/%s", env.Backend(), env.Stack, commit, name)
}

// keepPlan keeps the plan, with the comment for the person who approves it.
func (j *job) keepPlan(ctx context.Context, commit string) error {
	if commit == "" {
		return nil
	}
	for _, name := range []string{plannedFile, planFile, commentFile} {
		if err := copyObject(ctx, j.file(name), keptURL(j.env, commit, name)); err != nil {
			return fmt.Errorf("keeping the plan: %w", err)
		}
	}
	fmt.Printf("The plan is kept. Read it above or in %s, then approve the build of the trigger grpc-edge-deploy-%s for commit %.12s, which does this and nothing else.\n",
		keptURL(j.env, commit, commentFile), j.stack, commit)
	return nil
}

// keepImages keeps the list of images that a deployment of the commit runs.
func (j *job) keepImages(ctx context.Context, commit string) error {
	if commit == "" {
		return nil
	}
	if err := copyObject(ctx, j.file(imagesFile), keptURL(j.env, commit, imagesFile)); err != nil {
		return fmt.Errorf("%s is up; keeping the list of its images: %w", j.stack, err)
	}
	return nil
}

// fetchPlan gets the plan that was kept for a commit, if its images are those that
// another stack runs of the same commit.
func (j *job) fetchPlan(ctx context.Context, commit, tried string) error {
	for _, name := range []string{plannedFile, planFile} {
		if err := copyObject(ctx, keptURL(j.env, commit, name), j.file(name)); err != nil {
			return fmt.Errorf("there is no plan of commit %s for %s: %w\nThe build of the trigger grpc-edge-plan-%s makes it: let it end, read the plan, and run this one again", commit, j.stack, err, j.stack)
		}
	}
	if tried == "" {
		return nil
	}
	other, err := environment.Read(j.root, tried)
	if err != nil {
		return err
	}
	images := j.file("tried.json")
	if err := copyObject(ctx, keptURL(other, commit, imagesFile), images); err != nil {
		return fmt.Errorf("commit %s is not deployed to %s: %w\n%s runs only what was tried there: let that deployment end, and run this build again", commit, tried, err, j.stack)
	}
	var planned map[string][]string
	if err := readJSON(j.file(plannedFile), &planned); err != nil {
		return err
	}
	return j.sameImages(planned, images)
}

// copyObject copies a file to or from a bucket.
func copyObject(ctx context.Context, from, to string) error {
	cmd := exec.CommandContext(ctx, "gcloud", "storage", "cp", "--quiet", from, to)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: install the gcloud CLI", err)
	}
	if err != nil {
		return fmt.Errorf("copying %s to %s: %w", from, to, err)
	}
	return nil
}
