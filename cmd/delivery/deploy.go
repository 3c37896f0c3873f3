package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type deployOptions struct{ plan, kept, tried, keep string }

// deploy brings the stack up and records which images run in it.
func (j *job) deploy(ctx context.Context, o deployOptions) error {
	if o.kept != "" {
		if err := j.fetchPlan(ctx, o.kept, o.tried); err != nil {
			return err
		}
		o.plan = j.file(planFile)
	}
	args := []string{"up", "--yes", "--skip-preview", "--suppress-outputs", policyPack}
	if o.plan != "" {
		plan, err := filepath.Abs(o.plan)
		if err != nil {
			return err
		}
		if _, err := os.Stat(plan); err != nil {
			return fmt.Errorf("reading the plan: %w; `make plan STACK=%s` writes one", err, j.stack)
		}
		args = append(args, "--plan", plan)
	}
	if err := j.cli.Run(ctx, args...); err != nil {
		return fmt.Errorf("%w\n%s%s", err, j.refusal(ctx, o.plan, err), j.goOn(o))
	}
	if err := j.writeImages(ctx); err != nil {
		return err
	}
	return j.keepImages(ctx, o.keep)
}

// goOn returns the advice after an `up` that failed.
func (j *job) goOn(o deployOptions) string {
	if o.plan != "" {
		return "Completed changes stay, and are in the state. If the errors above mention the plan, the stack has changed since the plan was made: plan and review again. Otherwise plan again to finish the rest, or `make rollback STACK=" + j.stack + "`."
	}
	return "Completed changes stay, and are in the state: run the same command to continue. To roll back: `make rollback STACK=" + j.stack + "`."
}

// outputs holds the outputs of a stack that jobs read.
type outputs struct {
	Address, Authority string
	GRPCurl            map[string]string `json:"grpcurl"`
	Images             map[string]string
}

func (j *job) outputs(ctx context.Context) (outputs, error) {
	var o outputs
	err := j.cli.JSON(ctx, &o, "stack", "output", "--json")
	return o, err
}

// writeImages writes the digests of the images for the plan of the next stack.
func (j *job) writeImages(ctx context.Context) error {
	o, err := j.outputs(ctx)
	if err != nil {
		return err
	}
	digests := map[string]string{}
	for name, reference := range o.Images {
		_, digests[name], _ = strings.Cut(reference, "@")
	}
	return writeJSON(j.file(imagesFile), digests)
}
