package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
)

// faultCommand returns the commands that make calls to the emulated cloud fail. The running
// sandbox obeys from the next call on.
func faultCommand() *cobra.Command {
	group := &cobra.Command{Use: "fault", Short: "Make calls to the emulated cloud fail", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	var f gcp.Fault
	add := command("add ANSWER", "Make calls fail with an answer", cobra.ExactArgs(1), existing(func(_ context.Context, s sandbox, args []string) error {
		f.Answer = args[0]
		return addFault(s.state.CloudDir(), f)
	}))
	f.AddFlags(add.Flags())
	add.Long = "ANSWER is " + strings.Join(gcp.Answers(), ", ") + "."
	add.Example = "  sandbox fault add rate-limit --kind Network --count 3\n  sandbox fault add slow --kind Cluster --seconds 60"
	group.AddCommand(add,
		command("list", "List what makes calls fail", cobra.NoArgs, existing(func(_ context.Context, s sandbox, _ []string) error {
			return listFaults(s.state.CloudDir())
		})),
		command("clear", "Let all calls succeed again", cobra.NoArgs, existing(func(_ context.Context, s sandbox, _ []string) error {
			return gcp.SetFaults(s.state.CloudDir(), nil)
		})))
	return group
}

func addFault(dir string, f gcp.Fault) error {
	if err := f.Check(apis.All(nil)); err != nil {
		return err
	}
	list, err := gcp.Faults(dir)
	if err != nil {
		return err
	}
	return gcp.SetFaults(dir, append(list, f))
}

func listFaults(dir string) error {
	list, err := gcp.Faults(dir)
	for _, f := range list {
		fmt.Println(f)
	}
	return err
}
