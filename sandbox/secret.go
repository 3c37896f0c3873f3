package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"example.com/grpc-edge/sandbox/gcp/secretmanager"
	"example.com/grpc-edge/sandbox/pulumi/stack"
)

// addSecret stores standard input as the newest version of a secret of the emulated Secret
// Manager. It needs no running sandbox: a service may want its secret at the first start.
func addSecret(_ context.Context, s sandbox, args []string) error {
	settings, err := stack.ReadSettings(s.tools.Root)
	if err != nil {
		return err
	}
	payload, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("reading the secret from standard input: %w", err)
	}
	name, err := secretmanager.AddSecretVersion(s.state.CloudDir(), settings.Project, args[0], payload)
	if err != nil {
		return err
	}
	fmt.Println(name)
	return nil
}
