// Command sandbox runs the whole product on one Linux machine: it brings up an
// emulated Google Cloud with a real Kubernetes in it, runs the real Pulumi CLI on
// the program in infra/, and takes all of it down again.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"example.com/grpc-edge/sandbox/node/credentialplugin"
	"example.com/grpc-edge/sandbox/node/vm"
	"example.com/grpc-edge/sandbox/pulumi/languagehost"
	"example.com/grpc-edge/sandbox/pulumi/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run runs the program by the name that it was called with. One file has several names, as links
// beside the tools that look for them.
func run(ctx context.Context, args []string) error {
	switch filepath.Base(args[0]) {
	case vm.InitName:
		return vm.Init()
	case stack.EnterName:
		return stack.Enter(args[1:])
	case "pulumi-language-go":
		os.Exit(languagehost.Main(args[1:]))
	case credentialplugin.AuthPlugin:
		self, err := locate()
		if err != nil {
			return err
		}
		return credentialplugin.PrintExecCredential(os.Stdout, self.state.Dir)
	case credentialplugin.ImageProvider:
		return credentialplugin.PrintImageCredential(os.Stdin, os.Stdout, "http://metadata.google.internal")
	}
	return newCommand().ExecuteContext(ctx)
}
