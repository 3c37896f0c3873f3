package main

import (
	"context"
	"fmt"
	"path/filepath"
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
	add := command("add ANSWER", "Make calls fail with an answer", cobra.ExactArgs(1), func(_ context.Context, s sandbox, args []string) error {
		f.Answer = args[0]
		return s.withCloud(func(dir string) error { return addFault(dir, f) })
	})
	f.AddFlags(add.Flags())
	add.Long = "ANSWER is " + strings.Join(gcp.Answers(), ", ") + "."
	add.Example = "  sandbox fault add rate-limit --kind Network --count 3\n  sandbox fault add slow --kind Cluster --seconds 60"
	group.AddCommand(add,
		command("list", "List what makes calls fail", cobra.NoArgs, func(_ context.Context, s sandbox, _ []string) error {
			return s.withCloud(listFaults)
		}),
		command("clear", "Let all calls succeed again", cobra.NoArgs, func(_ context.Context, s sandbox, _ []string) error {
			return s.withCloud(func(dir string) error { return gcp.SetFaults(dir, nil) })
		}))
	return group
}

// withCloud calls a function with the folder of the emulated cloud, if there is one.
func (s sandbox) withCloud(do func(dir string) error) error {
	if !s.state.Exists() {
		return errDown
	}
	return do(filepath.Join(s.state.Dir, "cloud"))
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
