package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/grpc-edge/cmd/delivery/environment"
	"example.com/grpc-edge/internal/git"
)

// identity prints what a workflow needs to log in, as lines for $GITHUB_OUTPUT.
func identity() *cobra.Command {
	c := &cobra.Command{Use: "identity", Short: "Print who a job of a stack logs in as, and where its state is", Args: cobra.NoArgs}
	c.RunE = func(c *cobra.Command, _ []string) error {
		env, err := environment.Read(".", os.Getenv("STACK"))
		if err != nil {
			return err
		}
		provider, account, err := env.Identity(cmp.Or(os.Getenv("ROLE"), "previewer"))
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "provider=%s\naccount=%s\nbackend=%s\n", provider, account, env.Backend())
		return nil
	}
	return c
}

// stacks prints the stacks that CI delivers, as JSON for a matrix of jobs.
func stacks() *cobra.Command {
	c := &cobra.Command{Use: "stacks", Short: "Print which stacks are delivered, or touched by the commits since BASE", Args: cobra.NoArgs}
	c.RunE = func(c *cobra.Command, _ []string) error {
		delivered, err := environment.Delivered(".")
		if err != nil {
			return err
		}
		if delivered, err = touched(".", delivered, os.Getenv("BASE")); err != nil {
			return err
		}
		// The order of promotion: production comes last.
		slices.SortStableFunc(delivered, func(a, b string) int { return production(a) - production(b) })
		return json.NewEncoder(c.OutOrStdout()).Encode(delivered)
	}
	return c
}

func production(stack string) int {
	if stack == "prod" {
		return 1
	}
	return 0
}

// touched returns the stacks that the commits since base can affect; without a base, all.
func touched(root string, stacks []string, base string) ([]string, error) {
	if base == "" {
		return stacks, nil
	}
	files, err := changed(root, base)
	if err != nil {
		return nil, err
	}
	return environment.Touched(stacks, files), nil
}

// changed lists the files that differ between HEAD and its merge base with base.
func changed(root, base string) ([]string, error) {
	out, err := git.Output(root, "diff", "--name-only", "--no-renames", base+"...HEAD")
	if err != nil {
		return nil, fmt.Errorf("comparing with %s, which must be in the clone (fetch-depth: 0): %w", base, err)
	}
	return strings.Fields(out), nil
}
