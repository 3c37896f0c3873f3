package main

import (
	"context"
	"fmt"

	"example.com/grpc-edge/cmd/delivery/comment"
)

const driftLabel = "drift"

// drift compares the real resources with the state, not with the program: undeployed commits do
// not count as drift.
func (j *job) drift(ctx context.Context, report bool) error {
	found, err := j.previewed(ctx, "refresh", "--preview-only", "--json")
	if err != nil {
		return err
	}
	if found.Failed() {
		return fmt.Errorf("looking for drift in %s failed, see above", j.stack)
	}
	text := found.Drift(j.stack)
	if found.Changed() {
		fmt.Println(text)
	} else {
		fmt.Printf("%s is as Pulumi left it.\n", j.stack)
	}
	if report {
		if err := j.reportDrift(ctx, found.Changed(), text); err != nil {
			return err
		}
	}
	if found.Changed() {
		return fmt.Errorf("%s has drifted", j.stack)
	}
	return nil
}

func (j *job) reportDrift(ctx context.Context, drifted bool, text string) error {
	repository, err := comment.FromEnvironment()
	if err != nil {
		return err
	}
	title := j.stack + " has drifted"
	if drifted {
		return repository.Open(ctx, title, driftLabel, text)
	}
	return repository.Close(ctx, title, driftLabel, j.stack+" is as Pulumi left it again.")
}
