package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"example.com/grpc-edge/sandbox/pulumi/breakpoint"
)

// pauseCommand returns the commands that keep the engine waiting at each resource, let it go, and
// list where it waits.
func pauseCommand() *cobra.Command {
	var at string
	pause := command("pause create|update|delete", "Keep Pulumi waiting at each resource, to kill it there", cobra.ExactArgs(1),
		existing(func(_ context.Context, s sandbox, args []string) error {
			return breakpoint.Set(s.state.Dir, breakpoint.Breakpoint{At: breakpoint.Point(at), Verb: args[0]})
		}))
	pause.Flags().StringVar(&at, "at", string(breakpoint.Answer), "request: before the provider does anything; answer: after it is done")
	pause.Long = "The first call to create (update, delete) each resource is never answered. The next run's call goes through."
	pause.Example = "  sandbox pause create --at answer\n  sandbox pause clear"
	pause.AddCommand(
		command("list", "List the resources at which Pulumi waits", cobra.NoArgs, existing(func(_ context.Context, s sandbox, _ []string) error {
			paused, err := breakpoint.Paused(s.state.Dir)
			for _, urn := range paused {
				fmt.Println(urn)
			}
			return err
		})),
		command("clear", "Let all later calls go on", cobra.NoArgs, existing(func(_ context.Context, s sandbox, _ []string) error {
			return breakpoint.Clear(s.state.Dir)
		})))
	return pause
}
