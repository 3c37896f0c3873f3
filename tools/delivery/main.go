// Command delivery is what CI does with a stack: previews it for a review, brings up
// what was reviewed, finds drift, rolls back, and tears down. Workflows call it by the
// make targets of the section Delivery, and so can a person:
//
//	make plan STACK=dev
//	make deploy STACK=dev
//
// The variable PULUMI is the command that runs Pulumi, if it is not `pulumi`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/grpc-edge/tools/delivery/environment"
	"example.com/grpc-edge/tools/delivery/pulumi"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := commands().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// job is a command about one stack.
type job struct {
	root, stack string
	env         environment.Environment
	cli         pulumi.CLI
}

// newJob is a job about a stack, whose file must be there.
func newJob(root, stack string) (*job, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	env, err := environment.Read(root, stack)
	if err != nil {
		return nil, err
	}
	j := &job{root: root, stack: stack, env: env, cli: pulumi.CLI{Root: root, Stack: stack, Out: os.Stderr}}
	return j, os.MkdirAll(j.file(""), 0o755)
}

// file is where a job leaves what a later one reads.
func (j *job) file(name string) string {
	return filepath.Join(j.root, ".cache", "delivery", j.stack, name)
}

// commands are the jobs.
func commands() *cobra.Command {
	root := &cobra.Command{Use: "delivery", Short: "What CI does with a stack", SilenceUsage: true, SilenceErrors: true}
	folder := root.PersistentFlags().String("root", ".", "folder of the repository")
	stack := root.PersistentFlags().String("stack", "", "the stack")
	add := func(use, short string, run func(ctx context.Context, j *job) error) *cobra.Command {
		c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			j, err := newJob(*folder, *stack)
			if err != nil {
				return err
			}
			return run(c.Context(), j)
		}}
		root.AddCommand(c)
		return c
	}

	var planned planOptions
	c := add("plan", "Preview a stack: write the plan, and the comment about it", func(ctx context.Context, j *job) error { return j.plan(ctx, planned) })
	c.Flags().StringVar(&planned.base, "base", "", "commit to compare with, to name the commits behind an image")
	c.Flags().BoolVar(&planned.touched, "touched", false, "do nothing if no commit since the base touches the stack")
	c.Flags().StringVar(&planned.images, "images", "", "file with the digests that the images must have, as `deploy` of another stack wrote it")
	c.Flags().IntVar(&planned.pullRequest, "pull-request", 0, "number of the pull request that gets the comment")
	c.Flags().StringVar(&planned.keep, "keep", "", "commit for which plan and comment are kept in the state's bucket")

	var deployed deployOptions
	c = add("deploy", "Bring a stack up, exactly as planned if there is a plan", func(ctx context.Context, j *job) error { return j.deploy(ctx, deployed) })
	c.Flags().StringVar(&deployed.plan, "plan", "", "plan that `plan` wrote")
	c.Flags().StringVar(&deployed.kept, "kept", "", "commit whose plan `plan --keep` kept")
	c.Flags().StringVar(&deployed.tried, "tried", "", "stack that must run the images of that plan, as its `deploy --keep` kept them")
	c.Flags().StringVar(&deployed.keep, "keep", "", "commit for which the digests of the images are kept in the state's bucket")

	var report bool
	c = add("drift", "Find what was changed behind Pulumi's back; fails if anything was", func(ctx context.Context, j *job) error { return j.drift(ctx, report) })
	c.Flags().BoolVar(&report, "issue", false, "keep an issue on GitHub open as long as there is drift")

	var review reviewOptions
	c = add("review", "Bring up a stack of its own for a pull request, like --stack", func(ctx context.Context, j *job) error { return j.review(ctx, review) })
	reviewFlags(c, &review)
	c = add("review-down", "Destroy and remove the stack of a pull request", func(ctx context.Context, j *job) error { return j.reviewDown(ctx, review) })
	reviewFlags(c, &review)

	add("recover", "Settle what an update that was killed left in the state, before the next one", func(ctx context.Context, j *job) error { return j.recover(ctx) })

	var back rollbackOptions
	c = add("rollback", "Bring up an earlier deployment of a stack again, or list them", func(ctx context.Context, j *job) error { return j.rollback(ctx, back) })
	c.Flags().IntVar(&back.to, "to", 0, "number of the deployment; without, they are listed")
	c.Flags().BoolVar(&back.yes, "yes", false, "do not only show what it would change, do it")

	var sure teardownOptions
	c = add("teardown", "Destroy a stack; without both confirmations, tell what would be", func(ctx context.Context, j *job) error { return j.teardown(ctx, sure) })
	c.Flags().StringVar(&sure.stack, "confirm-stack", "", "the name of the stack")
	c.Flags().StringVar(&sure.address, "confirm-address", "", "the public address that will answer no more")

	root.AddCommand(identity(folder, stack), stacks(folder))
	return root
}
