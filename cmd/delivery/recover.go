package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"example.com/grpc-edge/cmd/delivery/recovery"
)

// recover settles the pending operations that a killed update left in the state, so that
// the next one neither creates anything twice nor leaves anything behind.
func (j *job) recover(ctx context.Context) error {
	export, err := j.cli.Output(ctx, "stack", "export")
	if err != nil {
		return err
	}
	place := map[string]string{"project": j.env.Value("gcp:project"), "region": j.env.Value("gcp:region")}
	settled, err := recovery.Settle(export, place)
	if err != nil {
		return err
	}
	if !bytes.Contains(export, []byte(`"pending_operations"`)) {
		fmt.Printf("No operation on %s was interrupted.\n", j.stack)
		return nil
	}
	if err := j.replaceState(ctx, settled.State); err != nil {
		return err
	}
	for _, look := range settled.Look {
		fmt.Printf("It is not known whether %s\nwas created, as Google chooses its ID. Delete what this lists and `pulumi stack export` has not:\n  %s\n", look.URN, look.List)
	}
	if err := j.refresh(ctx, settled.Targets); err != nil {
		return fmt.Errorf("%w\nFix the cause, then run `pulumi refresh -s %s`", err, j.stack)
	}
	fmt.Printf("No operation on %s is pending any more: bring it up, or destroy it.\n", j.stack)
	return nil
}

// refresh refreshes the resources with these URNs.
func (j *job) refresh(ctx context.Context, urns []string) error {
	if len(urns) == 0 {
		return nil
	}
	refresh := []string{"refresh", "--yes", "--skip-preview", "--suppress-outputs"}
	for _, urn := range urns {
		refresh = append(refresh, "--target", urn)
	}
	return j.cli.Run(ctx, refresh...)
}

// replaceState replaces the stack's state.
func (j *job) replaceState(ctx context.Context, state []byte) error {
	file := j.file("state.json") // secrets in it are encrypted
	if err := os.WriteFile(file, state, 0o600); err != nil {
		return err
	}
	return errors.Join(j.cli.Run(ctx, "stack", "import", "--file", file), os.Remove(file))
}
