// Command greeter serves greeter.v1.GreeterService in the shared chassis, whose
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
	greeterv1 "example.com/grpc-edge/services/greeter/greeter/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := chassis.Run(ctx, func(server grpc.ServiceRegistrar) {
		greeterv1.RegisterGreeterServiceServer(server, handlers{})
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "greeter:", err)
		os.Exit(1)
	}
}
