package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"example.com/grpc-edge/cmd/delivery/comment"
	"example.com/grpc-edge/cmd/delivery/preview"
)

// The files that jobs leave for one another.
const (
	planFile    = "plan.json"
	commentFile = "comment.md"
	imagesFile  = "images.json"  // of what runs
	plannedFile = "planned.json" // images of what would run
)

// policyPack selects the policies of every stack. A violation fails a preview.
const policyPack = "--policy-pack=policy"

type planOptions struct {
	base, images, keep string
	touched            bool
	pullRequest        int
}

// plan previews the stack. The comment is written and printed whether or not the
// preview succeeds, and the plan only if it does.
func (j *job) plan(ctx context.Context, o planOptions) error {
	if o.touched {
		touched, err := touched(j.root, []string{j.stack}, o.base)
		if err != nil {
			return err
		}
		if len(touched) == 0 {
			fmt.Printf("No commit since %s touches %s.\n", o.base, j.stack)
			return nil
		}
	}
	plan := j.file(planFile)
	if err := os.RemoveAll(plan); err != nil {
		return err
	}
	previewed, err := j.previewed(ctx, "preview", "--json", "--show-sames", "--save-plan", plan, policyPack)
	if err != nil {
		return err
	}
	text := previewed.Markdown(j.stack, preview.History{Root: j.root, Base: o.base}.Commits)
	if err := os.WriteFile(j.file(commentFile), []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Println(text)
	if o.pullRequest > 0 {
		if err := post(ctx, o.pullRequest, text); err != nil {
			return err
		}
	}
	if previewed.Failed() {
		_ = os.RemoveAll(plan) // of a preview that failed it is not whole
		return fmt.Errorf("the preview of %s failed, see above", j.stack)
	}
	if err := writeJSON(j.file(plannedFile), previewed.Images()); err != nil {
		return err
	}
	if err := j.sameImages(previewed.Images(), o.images); err != nil {
		return err
	}
	return j.keepPlan(ctx, o.keep)
}

func writeJSON(file string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

// previewed runs a command that prints a preview.
func (j *job) previewed(ctx context.Context, args ...string) (preview.Preview, error) {
	said, err := j.cli.Preview(ctx, args...)
	if err != nil {
		return preview.Preview{}, err
	}
	p, err := preview.Read(bytes.NewReader(said.JSON), said.Said)
	if err != nil {
		return p, err
	}
	return p, p.AddViolations(bytes.NewReader(said.Events))
}

// sameImages compares the planned images with those that were tested in another stack:
// production gets exactly the tested images, bit for bit.
func (j *job) sameImages(planned map[string][]string, file string) error {
	if file == "" {
		return nil
	}
	var tried map[string]string
	if err := readJSON(file, &tried); err != nil {
		return fmt.Errorf("reading the images that were tried: %w", err)
	}
	// The name of a service built elsewhere need not be in its image's, so only digests count.
	all := slices.Concat(slices.Collect(maps.Values(planned))...)
	var differ []error
	for _, name := range slices.Sorted(maps.Keys(tried)) {
		if !slices.Contains(all, tried[name]) {
			differ = append(differ, fmt.Errorf("image %s: %s was tried, %q is planned", name, tried[name], planned[name]))
		}
	}
	if len(differ) > 0 {
		return errors.Join(append(differ, fmt.Errorf("what %s would run is not what %s says was tried: plan the commit that was deployed there, for the same architecture of nodes, with the same Go version", j.stack, file))...)
	}
	return nil
}

func post(ctx context.Context, pullRequest int, text string) error {
	repository, err := comment.FromEnvironment()
	if err != nil {
		return err
	}
	return repository.Comment(ctx, pullRequest, text)
}
