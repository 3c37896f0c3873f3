// Command reverse serves the gRPC service api.Reverse in the shared chassis, whose
// package comment lists the environment variables.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"

	"example.com/grpc-edge/services/chassis"
	"example.com/grpc-edge/services/reverse/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := chassis.Run(ctx, func(server grpc.ServiceRegistrar) { api.RegisterReverseServer(server, handlers{}) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "reverse:", err)
		os.Exit(1)
	}
}
