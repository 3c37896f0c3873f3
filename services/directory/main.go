// Command directory answers for all services at the edge in the two services
// that every gRPC server has: grpc.reflection.v1.ServerReflection (and v1alpha)
// and grpc.health.v1.Health. So a client of the edge needs no proto file, and can
// ask for the health of each service by its name.
//
// It runs in the shared chassis, whose package comment lists further environment
// variables. Invalid values are reported together, and the directory does not start.
//
//	DESCRIPTORS  the path of a google.protobuf.FileDescriptorSet, binary and packed
//	             by gzip: the files of all services, and all that they import.
//	             Reflection describes these and what the directory itself serves,
//	             and nothing else.
//	BACKENDS     which services there are, and where, such as
//	             api.Echo=dns:///echo.grpc-edge.svc.cluster.local.:8080,api.Reverse=dns:///…
//	             Each is the full name of a service in DESCRIPTORS and a gRPC target
//	             (gRPC, doc/naming.md) that serves it, with health, in plaintext.
//	             These services are listed, and those of the directory itself.
//
// # Health
//
// The empty name is the directory's own health, as for every program in the
// chassis. The name of a service is SERVING while any server of its backend says
// so of the empty name, and NOT_SERVING if none does or none can be reached; any other
// name is NOT_FOUND, or SERVICE_UNKNOWN in a Watch (gRPC, doc/health-checking.md).
// The directory watches each backend once, however many ask. It does not ask servers for
// names of services: many know only the empty one, which alone decides who gets calls.
//
// # Limits
//
// At most 256 streams (Watch and reflection) are open at once, and no caller gets more than it leaves
// for others. A stream ends if its client, when it is its turn to send or to read, does nothing for
// 10 seconds.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"

	"example.com/grpc-edge/services/chassis"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "directory:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	settings, err := readSettings(os.Getenv)
	if err != nil {
		return err
	}
	backends, err := connect(settings.targets)
	if err != nil {
		return err
	}
	defer backends.close()
	return chassis.Run(ctx, func(grpc.ServiceRegistrar) {},
		chassis.WithReflection(described(settings)),
		chassis.WithHealth(backends),
		chassis.WithMaxRequest(maxRequest),
		chassis.WithStreamInterceptor(limitStreams(maxStreams, maxSilence)),
	)
}
