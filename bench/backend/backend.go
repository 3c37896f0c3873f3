// Package backend serves the calls of the benchmark. It runs three gRPC servers behind one
// DNS name, as three pods behind a headless Kubernetes Service.
package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	benchpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/nameserver"
	"example.com/grpc-edge/services/echo/api"
)

// Name is the DNS name of the servers. The final dot keeps resolvers from
// trying it in search domains.
const Name = "backends.bench."

// hosts lists the addresses of the servers. All of 127.0.0.0/8 is loopback.
var hosts = []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}

// maxStreams is the limit of streams on a connection, as in this repository's services
// (services/chassis).
const maxStreams = 100

// Services returns the gRPC services of the servers: api.Echo, and gRPC's own
// grpc.testing.BenchmarkService for its bidirectional stream.
func Services() []protoreflect.ServiceDescriptor {
	return envoy.Services(api.File_api_echo_proto, benchpb.File_grpc_testing_benchmark_service_proto)
}

// Set holds the three running servers.
type Set struct {
	// Resolver is the address of the DNS server that resolves Name.
	Resolver netip.AddrPort
	// Port is for HTTP/2 without TLS. TLSPort is for the client that measures without a
	// proxy. Each is the same on all servers.
	Port, TLSPort int

	names   *nameserver.Server
	servers []*server
}

// Start starts the servers. They run until Close.
func Start(identity *tls.Config) (*Set, error) {
	names, err := nameserver.Start(time.Minute)
	if err != nil {
		return nil, err
	}
	names.Set(Name, hosts...)
	s := &Set{Resolver: names.Address, names: names}
	plain, plainErr := listenAll(&s.Port)
	secure, secureErr := listenAll(&s.TLSPort)
	if err := errors.Join(plainErr, secureErr); err != nil {
		s.Close()
		return nil, err
	}
	for i := range hosts {
		s.servers = append(s.servers, newServer(plain[i], secure[i], identity))
	}
	return s, nil
}

// Close stops the servers and cancels calls in flight.
func (s *Set) Close() {
	_ = s.names.Close()
	for _, server := range s.servers {
		server.plain.Stop()
		server.secure.Stop()
	}
}

// Addresses returns the host:port of each server.
func (s *Set) Addresses() []string { return addresses(s.Port) }

// TLSAddresses returns the host:port of each server for TLS.
func (s *Set) TLSAddresses() []string { return addresses(s.TLSPort) }

func addresses(port int) []string {
	var list []string
	for _, host := range hosts {
		list = append(list, fmt.Sprintf("%s:%d", host, port))
	}
	return list
}

// Counts returns the calls of api.Echo that each server got since the last Counts.
func (s *Set) Counts() []int64 {
	var list []int64
	for _, server := range s.servers {
		list = append(list, server.calls.Swap(0))
	}
	return list
}

// listenAll listens on a port that is free on every host.
func listenAll(port *int) ([]net.Listener, error) {
	var err error
	for range 20 {
		var list []net.Listener
		*port = 0
		for _, host := range hosts {
			var l net.Listener
			if l, err = net.Listen("tcp4", fmt.Sprintf("%s:%d", host, *port)); err != nil {
				break
			}
			*port = l.Addr().(*net.TCPAddr).Port
			list = append(list, l)
		}
		if err == nil {
			return list, nil
		}
		for _, l := range list {
			l.Close()
		}
	}
	return nil, fmt.Errorf("looking for a port that is free at %v: %w", hosts, err)
}

type server struct {
	api.UnimplementedEchoServer
	benchpb.UnimplementedBenchmarkServiceServer
	plain, secure *grpc.Server
	calls         atomic.Int64
}

func newServer(plain, secure net.Listener, identity *tls.Config) *server {
	s := &server{}
	s.plain = grpc.NewServer(grpc.MaxConcurrentStreams(maxStreams))
	s.secure = grpc.NewServer(grpc.MaxConcurrentStreams(maxStreams), grpc.Creds(credentials.NewTLS(identity)))
	for listener, server := range map[net.Listener]*grpc.Server{plain: s.plain, secure: s.secure} {
		api.RegisterEchoServer(server, s)
		benchpb.RegisterBenchmarkServiceServer(server, s)
		healthpb.RegisterHealthServer(server, health.NewServer())
		go func() { _ = server.Serve(listener) }()
	}
	return s
}

// Echo returns the content of the request.
func (s *server) Echo(_ context.Context, request *api.EchoRequest) (*api.EchoResponse, error) {
	s.calls.Add(1)
	return &api.EchoResponse{Content: request.GetContent()}, nil
}

// StreamingCall returns the payload of each message.
func (s *server) StreamingCall(stream grpc.BidiStreamingServer[benchpb.SimpleRequest, benchpb.SimpleResponse]) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil // the client is done, or gone
		}
		if err := stream.Send(&benchpb.SimpleResponse{Payload: request.GetPayload()}); err != nil {
			return err
		}
	}
}
