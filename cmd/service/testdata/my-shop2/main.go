// Command my-shop2 serves my_shop2.v1.MyShop2Service in the shared chassis, whose
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
	myshop2v1 "example.com/grpc-edge/services/my-shop2/my_shop2/v1"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := chassis.Run(ctx, func(server grpc.ServiceRegistrar) {
		myshop2v1.RegisterMyShop2ServiceServer(server, handlers{})
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "my-shop2:", err)
		os.Exit(1)
	}
}
