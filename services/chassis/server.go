package chassis

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
)

// The limits of one client. A call beyond a message limit ends with
// RESOURCE_EXHAUSTED; a stream beyond the limit waits in the client.
const (
	// maxMessageBytes is the default limit of gRPC clients and servers (grpc-go,
	// MaxCallRecvMsgSize and MaxRecvMsgSize). A client would refuse a larger reply,
	// so the server does not send it.
	maxMessageBytes = 4 << 20
	// maxConcurrentStreams bounds the handlers that run for one connection. grpc-go counts a
	// handler until it returns, also after its call was cancelled; when the limit is reached it
	// reads no more from the connection (its server.go, newHandlerQuota), not even the PINGs of
	// Envoy. So it is far more than the 100 calls that Envoy puts on a connection (package
	// envoy, podStreams): a client that cancels slow calls may not stall those of others.
	maxConcurrentStreams = 1000
)

// window is the size of the windows of HTTP/2 for what a server receives, of a stream and of a connection, in
// bytes. A stream that its handler does not read takes as much memory. By default grpc-go lets
// both grow to 16 MiB, so that a few such streams fill a pod. A connection's window does not wait for
// handlers: with a millisecond between Envoy and the pod, a connection carries 64 MB/s.
const window = 64 << 10

// maxHeaderBytes is more than the headers that the edge lets through, to which it may add a token's
// claims: a server that refuses them resets the call (package envoy, requestHeaders;
// docs/contract.md). grpc-go may make 8 KiB its default.
const maxHeaderBytes = 64 << 10

// maxReplyHeaderBytes is as much as the edge takes of a pod (package envoy, podHeaderField).
const maxReplyHeaderBytes = 256 << 10

// The intervals of HTTP/2 PINGs that probe connections.
const (
	// A client that pings more often is disconnected with ENHANCE_YOUR_CALM.
	// grpc-go's default, 5 minutes, would disconnect proxies that probe idle
	// upstream connections.
	minClientPingInterval = 5 * time.Second
	// A peer that vanished silently is detected after their sum; grpc-go's
	// default is 2 hours.
	serverPingInterval = 30 * time.Second
	serverPingTimeout  = 10 * time.Second
)

// server is a gRPC server with the handlers of a service, health and
// reflection.
type server struct {
	grpc       *grpc.Server
	health     *health.Server
	services   []string           // full names of the registered gRPC services, sorted
	endWatches context.CancelFunc // ends the health watches, which would end by themselves only with the client
}

func newServer(log *slog.Logger, maxCalls int, telemetry []grpc.ServerOption, register Register, changes ...Option) (*server, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("asking for the host name, which every response carries: %w", err)
	}
	o := &overrides{maxRequest: maxMessageBytes}
	for _, change := range changes {
		change(o)
	}
	memory := debug.SetMemoryLimit(-1) // GOMEMLIMIT
	arriving, messages := newArrivals(log, memory, o.maxRequest), newMessageMemory(memory)
	options := append(slices.Concat(arriving.options(), interceptors(log, hostname, maxCalls), messages.options()),
		grpc.MaxRecvMsgSize(o.maxRequest),
		grpc.MaxSendMsgSize(maxMessageBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxConcurrentStreams),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime:             minClientPingInterval,
			PermitWithoutStream: true,
		}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time:    serverPingInterval,
			Timeout: serverPingTimeout,
		}),
	)
	s := grpc.NewServer(slices.Concat(options, telemetry, o.server)...)
	register(s)

	watching, endWatches := context.WithCancel(context.Background())
	served := &server{
		grpc:       s,
		health:     health.NewServer(),
		services:   slices.Sorted(maps.Keys(s.GetServiceInfo())),
		endWatches: endWatches,
	}
	for _, name := range append(served.services, "") {
		served.health.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	grpc_health_v1.RegisterHealthServer(s, healthService{served.health, o.health, watching})
	o.registerReflection(s)
	return served, nil
}

// healthService is the standard health service, with watches that end when the
// server drains. Otherwise GracefulStop would wait for them until its time is over.
type healthService struct {
	*health.Server
	named    grpc_health_v1.HealthServer // of [WithHealth]; nil for none
	watching context.Context
}

func (h healthService) of(r *grpc_health_v1.HealthCheckRequest) grpc_health_v1.HealthServer {
	if r.GetService() == "" || h.named == nil {
		return h.Server
	}
	return h.named
}

// Check returns the status of a service.
func (h healthService) Check(
	ctx context.Context, r *grpc_health_v1.HealthCheckRequest,
) (*grpc_health_v1.HealthCheckResponse, error) {
	return h.of(r).Check(ctx, r)
}

// Watch sends the status of a service at once, and whenever it changes.
func (h healthService) Watch(r *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(h.watching, cancel)()
	return h.of(r).Watch(r, watchStream{stream, ctx})
}

// watchStream is a stream with another context.
type watchStream struct {
	grpc_health_v1.Health_WatchServer
	ctx context.Context
}

// Context returns the context that ends with the client or with the server.
func (w watchStream) Context() context.Context { return w.ctx }
