package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/grpc-edge/sandbox/daemon"
	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/node/credentialplugin"
	"example.com/grpc-edge/sandbox/pulumi/stack"
	"example.com/grpc-edge/sandbox/tools"
)

// sandbox holds the places of this sandbox's files.
type sandbox struct {
	self  string // this program's file
	tools tools.Tools
	state daemon.State
}

// locate finds the repository from the program's own place, <repository>/.cache/bin/sandbox.
func locate() (sandbox, error) {
	self, err := os.Executable()
	if err != nil {
		return sandbox{}, err
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(self)))
	if _, err := os.Stat(filepath.Join(root, "Pulumi.yaml")); err != nil {
		return sandbox{}, fmt.Errorf("finding the repository of %s: %w: build the program with `make`", self, err)
	}
	return sandbox{self: self, tools: tools.In(root), state: daemon.State{Dir: filepath.Join(root, ".sandbox")}}, nil
}

// links lists the other names of this program. They are beside the tools that look for them.
var links = []string{"pulumi-language-go", credentialplugin.AuthPlugin, credentialplugin.ImageProvider}

func (s sandbox) link() error {
	var errs []error
	for _, name := range links {
		target := s.tools.Bin(name)
		if old, err := os.Readlink(target); err == nil && old == filepath.Base(s.self) {
			continue
		}
		_ = os.Remove(target)
		errs = append(errs, os.Symlink(filepath.Base(s.self), target))
	}
	return errors.Join(errs...)
}

// errDown is the error of commands that need a running sandbox.
var errDown = errors.New("the sandbox is not running: start it with `make up`")

// stack returns the stack of the running sandbox.
func (s sandbox) stack() (stack.Stack, error) {
	info, ok, err := s.state.Info()
	if err != nil {
		return stack.Stack{}, err
	}
	if !ok {
		return stack.Stack{}, errDown
	}
	return stack.Stack{Tools: s.tools, State: s.state, Info: info}, nil
}

// cloud opens the emulated cloud, from its state on disk.
func (s sandbox) cloud() (*gcp.Cloud, error) { return gcp.Open(s.state.CloudDir(), apis.All(nil)) }

// dialCloud returns a connection to the Pulumi provider of the emulated cloud.
func dialCloud(st stack.Stack) (*grpc.ClientConn, error) {
	return grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", st.Info.Providers["gcp"]), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// action runs a command with its arguments.
type action = func(context.Context, sandbox, []string) error

// existing returns an action that fails if there is no sandbox.
func existing(do action) action {
	return func(ctx context.Context, s sandbox, args []string) error {
		if !s.state.Exists() {
			return errDown
		}
		return do(ctx, s, args)
	}
}

// command returns a command on the sandbox of the repository that this program is in.
func command(use, short string, args cobra.PositionalArgs, do action) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(c *cobra.Command, args []string) error {
		s, err := locate()
		if err != nil {
			return err
		}
		return do(c.Context(), s, args)
	}}
}

// logTo writes the log to w. It replaces the logger that Pulumi's SDK installs when a program
// that links it starts, which discards everything (pulumi v3.276,
// sdk/go/common/util/logging/log.go).
func logTo(w io.Writer, verbose bool) {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})))
}

func newCommand() *cobra.Command {
	var verbose bool
	root := &cobra.Command{
		Use:           "sandbox",
		Short:         "Run the stack on this machine, with an emulated Google Cloud",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			logTo(os.Stderr, verbose)
		},
	}
	root.PersistentFlags().BoolVarP(&verbose, "verbose", "v", false,
		"print the commands that are run and all that Pulumi prints; if this starts the sandbox, log each call to the emulated cloud")
	add := func(use, short string, args cobra.PositionalArgs, do action) *cobra.Command {
		c := command(use, short, args, do)
		root.AddCommand(c)
		return c
	}
	none := cobra.NoArgs
	var patient bool
	add("up", "Bring everything up and check that calls arrive", none, func(ctx context.Context, s sandbox, _ []string) error { return up(ctx, s, patient) }).
		Flags().BoolVar(&patient, "wait", false, "wait as long as Pulumi does for pods that keep crashing")
	add("down", "Destroy the stack and remove the sandbox", none, down)
	add("stop", "Stop the sandbox's processes and keep its state", none, stop)
	add("tools", "Fetch and build what the sandbox runs", none, getTools)
	add("next-envoy", "Fetch another version of Envoy, for the envoyDigest of a sandbox that is started afterwards", none, getNextEnvoy)
	add("preview", "Show what `up` would change", none, preview)
	add("refresh", "Refresh Pulumi's state from the real resources, and show the drift", none, refresh)
	calls := add("call [METHOD [DATA]]", "Call a method with a request in JSON, or, with sample requests, all methods that are declared to change nothing", cobra.MaximumNArgs(2), call)
	calls.Example = `  sandbox call shop.v1.Shop/Get '{"id":"7"}'`
	add("status", "Show what runs", none, status)
	add("logs [NAME]", "Show the newest log lines of every pod, or those of one app", cobra.MaximumNArgs(1), logs)
	add("kubeconfig", "Write a kubeconfig for plain kubectl and print how to use it", none, kubeconfig)
	add("objects", "List what exists in the emulated cloud", none, existing(objects))
	root.AddCommand(faultCommand(), pauseCommand())
	add("version", "Print the commit that runs", none, printVersion)
	add("report", "Pack logs and state for a bug report, without secrets", none, packReport)
	add("tamper NAME delete|KEY=VALUE...", "Change or delete an object of the emulated cloud behind Pulumi's back", cobra.MinimumNArgs(2), tamper).
		Example = "  sandbox tamper /nodePools/ nodeCount=3\n  sandbox tamper /alertPolicies/123 delete"
	add("secret NAME", "Store standard input as the newest version of a secret in the emulated Secret Manager", cobra.ExactArgs(1), addSecret).
		Example = "  printf hunter2 | sandbox secret database-password"
	add("push ARCHIVE NAME", "Store an image of `docker save` in the stack's repository, and print its reference by digest", cobra.ExactArgs(2), push).
		Example = "  docker save --output cart.tar cart && sandbox push cart.tar cart"
	pulumi := add("pulumi -- ARGUMENTS", "Run the Pulumi CLI on the sandbox's stack", cobra.ArbitraryArgs, runPulumi)
	pulumi.Example = "  sandbox pulumi -- stack output --json"
	add("serve", "Run the sandbox's daemon (`up` does this)", none, serve).Hidden = true
	return root
}
