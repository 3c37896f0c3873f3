package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/grpc-edge/internal/stackfile"
)

type teardownOptions struct{ stack, address string }

// resource describes a resource in the state.
type resource struct {
	URN    string `json:"urn"`
	Type   string `json:"type"`
	Custom bool   `json:"custom"`
}

func (j *job) resources(ctx context.Context) ([]resource, error) {
	var state struct {
		Deployment struct{ Resources []resource } `json:"deployment"`
	}
	if err := j.cli.JSON(ctx, &state, "stack", "export"); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(state.Deployment.Resources, func(r resource) bool {
		return strings.HasPrefix(r.Type, "pulumi:")
	}), nil
}

// teardown destroys the stack's resources. It requires the name of the stack and its public
// address, so that the caller has looked at what will be gone.
func (j *job) teardown(ctx context.Context, sure teardownOptions) error {
	there, err := j.resources(ctx)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		fmt.Printf("%s has nothing to destroy.\n", j.stack)
		return nil
	}
	up, err := j.outputs(ctx)
	if err != nil {
		return err
	}
	if sure == (teardownOptions{}) {
		fmt.Printf("%s has %d resources and answers at %s as %s. Nothing is changed.\n\n"+
			"To destroy all of it: make teardown STACK=%s CONFIRM_STACK=%s CONFIRM_ADDRESS=%s\n",
			j.stack, custom(there), up.Address, up.Authority, j.stack, j.stack, up.Address)
		return nil
	}
	if sure.stack != j.stack || sure.address != up.Address {
		return fmt.Errorf("not confirmed, nothing is changed: the stack is %s and answers at %s, and you wrote %q and %q", j.stack, up.Address, sure.stack, sure.address)
	}
	return j.destroy(ctx)
}

func custom(all []resource) int {
	n := 0
	for _, r := range all {
		if r.Custom {
			n++
		}
	}
	return n
}

// destroy removes the protection if there is one, and then everything except the
// identities of the jobs: this job itself is logged in as one of them.
func (j *job) destroy(ctx context.Context) error {
	if j.env.Protected() {
		if err := j.unprotect(ctx); err != nil {
			return err
		}
	}
	if err := j.cli.Run(ctx, "destroy", "--yes", "--skip-preview", "--suppress-outputs", "--exclude", identities); err != nil {
		return fmt.Errorf("%w\nThe rest is still in the state of %s, and no longer protected: run the same command to continue", err, j.stack)
	}
	left, err := j.resources(ctx)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		fmt.Printf("%s is down. %d resources are left: the identities of CI, and what these depend on. An owner of the project removes them:\n\n"+
			"  pulumi destroy --stack %s && pulumi stack rm %s\n", j.stack, custom(left), j.stack, j.stack)
		return nil
	}
	fmt.Printf("%s is down, and nothing is left. Its history is kept until `pulumi stack rm %s`.\n", j.stack, j.stack)
	return nil
}

// identities matches the component of infra/delivery and everything in it. Only an owner
// may change them, not a job.
const identities = "**grpc-edge:delivery:Delivery**"

// unprotect brings the stack up without its deletion protection. It restores the stack's
// file afterwards, so the next `up` protects the stack again.
func (j *job) unprotect(ctx context.Context) (err error) {
	file := filepath.Join(j.root, stackfile.Name(j.stack))
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.WriteFile(file, before, 0o644)) }()
	// Production that is deployed after another stack is refused without protection: both go.
	off := []string{"--config", stackfile.Program + ":deletionProtection=false", "--config", stackfile.Program + ":promotedFrom="}
	if err := j.cli.Run(ctx, append([]string{"up", "--yes", "--skip-preview", "--suppress-outputs", "--exclude", identities}, off...)...); err != nil {
		return fmt.Errorf("removing the deletion protection: %w\nNothing is destroyed yet: fix this error first", err)
	}
	return nil
}
