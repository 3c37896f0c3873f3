package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

// The methods of the service test.Probe, which every backend serves.
const (
	probe   = "test.Probe"
	count   = "/test.Probe/Count"   // unary: adds one to calls
	headers = "/test.Probe/Headers" // unary: returns the request's metadata, a line each
	ticks   = "/test.Probe/Ticks"   // sends a message every second of longStream
	silence = "/test.Probe/Silence" // sends one message after longStream
)

// probeProto declares them. Only Headers may be retried.
const probeProto = `
package test;
import "google/protobuf/empty.proto";
import "google/protobuf/wrappers.proto";
service Probe {
  rpc Count(google.protobuf.Empty) returns (google.protobuf.Empty);
  rpc Headers(google.protobuf.Empty) returns (google.protobuf.StringValue) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Ticks(google.protobuf.Empty) returns (stream google.protobuf.Empty);
  rpc Silence(google.protobuf.Empty) returns (google.protobuf.Empty);
}`

// longStream outlives Envoy's default route timeout of 15 seconds.
const longStream = 17 * time.Second

// backend is a gRPC server that stands in for a pod.
type backend struct {
	server *grpc.Server
	health *health.Server
	calls  atomic.Int64
	// instead, if not nil, answers in the place of handle.
	instead atomic.Pointer[grpc.StreamHandler]
}

// answer makes the backend answer with the handler from now on. Each call counts.
func (b *backend) answer(handler func(stream grpc.ServerStream) error) {
	counted := grpc.StreamHandler(func(_ any, stream grpc.ServerStream) error {
		b.calls.Add(1)
		return handler(stream)
	})
	b.instead.Store(&counted)
}

// fail has the backend answer from now on with the code.
func (b *backend) fail(code codes.Code) {
	b.answer(func(grpc.ServerStream) error { return status.Error(code, "as the test wants") })
}

// serve runs a backend until the test ends.
func serve(t *testing.T, host string, port uint32) *backend {
	t.Helper()
	b := &backend{health: health.NewServer()}
	b.server = listenAndServe(t, host, port, func(server *grpc.Server) { healthpb.RegisterHealthServer(server, b.health) },
		grpc.UnknownServiceHandler(b.handle))
	return b
}

// listenAndServe runs a server until the test ends.
func listenAndServe(t *testing.T, host string, port uint32, register func(*grpc.Server), options ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	listener, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", host, port))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return server
}

// handle answers every method except health checks.
func (b *backend) handle(server any, stream grpc.ServerStream) error {
	if instead := b.instead.Load(); instead != nil {
		return (*instead)(server, stream)
	}
	if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
		return err
	}
	switch method, _ := grpc.MethodFromServerStream(stream); method {
	case count:
		b.calls.Add(1)
		return stream.SendMsg(&emptypb.Empty{})
	case headers:
		return stream.SendMsg(wrapperspb.String(describe(stream)))
	case ticks:
		for range longStream / time.Second {
			time.Sleep(time.Second)
			if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
				return err
			}
		}
		return nil
	case silence:
		time.Sleep(longStream)
		return stream.SendMsg(&emptypb.Empty{})
	default:
		return status.Errorf(codes.Unimplemented, "the backend has no method %s", method)
	}
}

func describe(stream grpc.ServerStream) string {
	received, _ := metadata.FromIncomingContext(stream.Context())
	var text strings.Builder
	for key, values := range received {
		fmt.Fprintf(&text, "%s: %s\n", key, strings.Join(values, " | "))
	}
	return text.String()
}

// oneBackend returns the configuration for a backend with the name localhost, which
// Envoy resolves like any other.
func oneBackend(t *testing.T) (envoy.Config, *backend) {
	t.Helper()
	port := freePort(t)
	return envoy.Config{Backends: []envoy.Backend{probeAt(t, "localhost", port)}}, serve(t, "127.0.0.1", port)
}

// httpBackend returns the configuration for a backend that answers health checks. It
// leaves test.Probe to a handler that can do what a gRPC server never would.
func httpBackend(t *testing.T, handler http.HandlerFunc) envoy.Config {
	t.Helper()
	port := freePort(t)
	serveHTTP(t, "127.0.0.1", port, probePattern, handler)
	return envoy.Config{Backends: []envoy.Backend{probeAt(t, "localhost", port)}}
}

// probePattern matches the calls of test.Probe.
const probePattern = "/test.Probe/"

// serveHTTP runs a server until the test ends. It answers health checks, and leaves what the
// pattern matches to the handler.
func serveHTTP(t *testing.T, host string, port uint32, pattern string, handler http.HandlerFunc) {
	t.Helper()
	checks := grpc.NewServer()
	healthpb.RegisterHealthServer(checks, health.NewServer())
	mux := http.NewServeMux()
	mux.Handle(pattern, handler)
	mux.Handle("/", checks)
	server := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)

	listener, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", host, port))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}
