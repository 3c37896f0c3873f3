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

// Clients are clients of api.Echo/Echo, each with a connection of its own or several.
type Clients struct {
	// Traffic counts the bytes on all connections.
	Traffic Traffic
	clients []client
}

// Close closes the connections.
func (c *Clients) Close() { closeAll(c.clients) }

// Unary returns callers, spread over the clients.
func (c *Clients) Unary(callers int) []Caller {
	var list []Caller
	for i := range callers {
		call := c.clients[i%len(c.clients)].call
		list = append(list, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			return call(ctx)
		})
	}
	return list
}

// GRPC holds clients by gRPC.
type GRPC struct {
	Clients
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
		g.clients = append(g.clients, newClient(connection, func(ctx context.Context) error { return callEcho(ctx, connection, Content) }))
	}
	return g, nil
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

// DialREST creates clients over TLS that call the same method as JSON over HTTP. REST has no
// header for a deadline. With HTTP/2 there are that many connections. With HTTP/1.1 there is
// one for each caller.
func DialREST(http2 bool, connections int, security *tls.Config, address string) *Clients {
	c := &Clients{}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(http2)
	protocols.SetHTTP1(!http2)
	for range connections {
		transport := &http.Transport{
			Protocols:           protocols,
			TLSClientConfig:     security.Clone(),
			MaxIdleConnsPerHost: 1024,
			DisableCompression:  true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return c.Traffic.dial(ctx, network, address)
			},
		}
		h := httpClient{restBody{"/v1/echo", Content, Content}, "https://" + security.ServerName, transport}
		c.clients = append(c.clients, client{func(ctx context.Context) error { return h.post(ctx, nil) }, transport.CloseIdleConnections})
	}
	return c
}
