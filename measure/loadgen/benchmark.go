package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	benchpb "google.golang.org/grpc/interop/grpc_testing"
)

// Content is the text of every request and of every answer of a closed loop: 128 bytes.
var Content = strings.Repeat("All work and no play makes gRPC. ", 4)[:128]

// deadline bounds one call of a closed loop. gRPC sends it as grpc-timeout.
const deadline = 10 * time.Second

func withDeadline(call Caller) Caller {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		return call(ctx)
	}
}

// GRPC is a client with several gRPC connections.
type GRPC struct {
	// Traffic counts the bytes on all connections.
	Traffic     Traffic
	connections []*grpc.ClientConn
}

// DialGRPC opens connections to the addresses in turn. If security is nil, it uses no TLS.
func DialGRPC(connections int, security *tls.Config, addresses ...string) (*GRPC, error) {
	g := &GRPC{}
	for i := range connections {
		connection, err := dial(Target{addresses[i%len(addresses)], security},
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return g.Traffic.dial(ctx, "tcp4", address)
			}))
		if err != nil {
			g.Close()
			return nil, err
		}
		g.connections = append(g.connections, connection)
	}
	return g, nil
}

// Close closes the connections.
func (g *GRPC) Close() {
	for _, connection := range g.connections {
		connection.Close()
	}
}

// Unary returns callers of api.Echo/Echo, spread over the connections.
func (g *GRPC) Unary(callers int) []Caller {
	var list []Caller
	for i := range callers {
		connection := g.connections[i%len(g.connections)]
		list = append(list, withDeadline(func(ctx context.Context) error { return callEcho(ctx, connection, Content) }))
	}
	return list
}

// Streams returns callers with one bidirectional stream each, until ctx ends. A call sends
// one message and receives its answer.
func (g *GRPC) Streams(ctx context.Context, callers int) ([]Caller, error) {
	var list []Caller
	for i := range callers {
		client := benchpb.NewBenchmarkServiceClient(g.connections[i%len(g.connections)])
		stream, err := client.StreamingCall(ctx)
		if err != nil {
			return nil, fmt.Errorf("opening a stream: %w", err)
		}
		list = append(list, func(context.Context) error {
			request := &benchpb.SimpleRequest{Payload: &benchpb.Payload{Body: []byte(Content)}}
			if err := stream.Send(request); err != nil {
				return err
			}
			reply, err := stream.Recv()
			if err == nil && string(reply.GetPayload().GetBody()) != Content {
				err = wrongAnswer(string(reply.GetPayload().GetBody()))
			}
			return err
		})
	}
	return list, nil
}

// REST is a client that calls the same method as JSON over HTTP.
type REST struct {
	// Traffic counts the bytes on all connections.
	Traffic Traffic
	clients []*httpClient
}

// DialREST creates a client over TLS. With HTTP/2 it uses that many connections. With
// HTTP/1.1 it uses one for each caller.
func DialREST(http2 bool, connections int, security *tls.Config, address string) *REST {
	r := &REST{}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(http2)
	protocols.SetHTTP1(!http2)
	for range connections {
		r.clients = append(r.clients, &httpClient{restBody{"/v1/echo", Content, Content}, "https://" + security.ServerName, &http.Transport{
			Protocols:           protocols,
			TLSClientConfig:     security.Clone(),
			MaxIdleConnsPerHost: 1024,
			DisableCompression:  true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return r.Traffic.dial(ctx, network, address)
			},
		}})
	}
	return r
}

// Close closes the connections.
func (r *REST) Close() {
	for _, client := range r.clients {
		client.close()
	}
}

// Unary returns callers of api.Echo/Echo by REST. REST has no header for a deadline.
func (r *REST) Unary(callers int) []Caller {
	var list []Caller
	for i := range callers {
		client := r.clients[i%len(r.clients)]
		list = append(list, withDeadline(func(ctx context.Context) error { return client.post(ctx, nil) }))
	}
	return list
}
