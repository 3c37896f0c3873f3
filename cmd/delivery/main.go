// Command delivery runs CI's jobs for a stack: it previews the stack for a review, brings
// up what was reviewed, finds drift, rolls back, and tears down. Workflows call it by the
// make targets of the section Delivery, and so can a person:
//
//	make plan STACK=dev
//	make deploy STACK=dev
//
// The inputs of a job are environment variables. They have the same names on the command
// line of make, in a workflow and in a build of Cloud Build (there with a leading _, as
// Google demands): see variables.go. PULUMI is the command that runs Pulumi, if it is not
// `pulumi`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/grpc-edge/cmd/delivery/environment"
	"example.com/grpc-edge/cmd/delivery/preflight"
	"example.com/grpc-edge/cmd/delivery/pulumicli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := commands().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// job describes a command for one stack.
type job struct {
	root, stack string
	env         environment.Environment
	cli         pulumicli.CLI
}

// newJob returns a job for a stack. The stack's file must exist.
func newJob(root, stack string) (*job, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	env, err := environment.Read(root, stack)
	if err != nil {
		return nil, err
	}
	j := &job{root: root, stack: stack, env: env, cli: pulumicli.CLI{Root: root, Stack: stack, Out: os.Stderr}}
	return j, os.MkdirAll(j.file(""), 0o755)
}

// file returns the path of a file that a job leaves for a later one.
func (j *job) file(name string) string {
	return filepath.Join(j.root, ".cache", "delivery", j.stack, name)
}

// commands returns the jobs. They have no flags: see variables.go.
func commands() *cobra.Command {
	root := &cobra.Command{Use: "delivery", Short: "Run the CI jobs of a stack", SilenceUsage: true, SilenceErrors: true}
	add := func(use, short string, run func(ctx context.Context, j *job, v *variables) error) {
		root.AddCommand(&cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			j, err := newJob(".", os.Getenv("STACK"))
			if err != nil {
				return err
			}
			v := &variables{}
			return run(c.Context(), j, v)
		}})
	}
	add("plan", "Preview a stack: write the plan, and the comment about it", func(ctx context.Context, j *job, v *variables) error {
		o := planOptions{base: v.text("BASE"), touched: v.on("TOUCHED"), images: v.text("IMAGES"), keep: v.text("KEEP"), pullRequest: v.number("PR")}
		return v.then(func() error { return j.plan(ctx, o) })
	})
	add("deploy", "Bring a stack up, exactly as planned if there is a plan", func(ctx context.Context, j *job, v *variables) error {
		return j.deploy(ctx, deployOptions{plan: v.text("PLAN"), kept: v.text("KEPT"), tried: v.text("TRIED"), keep: v.text("KEEP")})
	})
	add("drift", "Find what was changed behind Pulumi's back; fails if anything was", func(ctx context.Context, j *job, v *variables) error { return j.drift(ctx, v.on("ISSUE")) })
	add("review", "Bring up a separate stack for a pull request, with the configuration of STACK", func(ctx context.Context, j *job, v *variables) error {
		o := v.review()
		return v.then(func() error { return j.review(ctx, o) })
	})
	add("review-down", "Destroy and remove the stack of a pull request", func(ctx context.Context, j *job, v *variables) error {
		o := v.review()
		return v.then(func() error { return j.reviewDown(ctx, o) })
	})
	add("recover", "Clean up the state after a killed update, before the next one", func(ctx context.Context, j *job, _ *variables) error { return j.recover(ctx) })
	add("rollback", "Bring up an earlier deployment of a stack again, or list them", func(ctx context.Context, j *job, v *variables) error {
		o := rollbackOptions{to: v.number("TO"), yes: v.on("YES")}
		return v.then(func() error { return j.rollback(ctx, o) })
	})
	add("teardown", "Destroy a stack; without both confirmations, print what would be destroyed", func(ctx context.Context, j *job, v *variables) error {
		return j.teardown(ctx, teardownOptions{stack: v.text("CONFIRM_STACK"), address: v.text("CONFIRM_ADDRESS")})
	})
	root.AddCommand(identity(), stacks(), preflights())
	return root
}

// preflights previews stacks with the official plugins, and without an account.
func preflights() *cobra.Command {
	c := &cobra.Command{Use: "preflight", Short: "Preview every stack, and stacks that set every key, with the official plugins; or those that ONLY names", Args: cobra.NoArgs}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return preflight.Run(c.Context(), preflight.Options{Root: ".", Only: strings.Fields(os.Getenv("ONLY")), Out: c.OutOrStdout()})
	}
	return c
}
