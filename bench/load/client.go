package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	benchpb "google.golang.org/grpc/interop/grpc_testing"

	"example.com/grpc-edge/services/echo/api"
)

// Content is the text of every request and of every answer: 128 bytes.
var Content = strings.Repeat("All work and no play makes gRPC. ", 4)[:128]

// deadline bounds one call. gRPC sends it as grpc-timeout.
const deadline = 10 * time.Second

// GRPC is a client with several gRPC connections.
type GRPC struct {
	// Traffic counts the bytes on all connections.
	Traffic     Traffic
	connections []*grpc.ClientConn
}

// DialGRPC opens connections to the addresses in turn. If security is nil, it uses no TLS.
func DialGRPC(connections int, security *tls.Config, addresses ...string) (*GRPC, error) {
	g := &GRPC{}
	transport := insecure.NewCredentials()
	if security != nil {
		transport = credentials.NewTLS(security)
	}
	for i := range connections {
		connection, err := grpc.NewClient("passthrough:///"+addresses[i%len(addresses)],
			grpc.WithTransportCredentials(transport),
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
func (g *GRPC) Unary(callers int) []Call {
	var list []Call
	for i := range callers {
		client := api.NewEchoClient(g.connections[i%len(g.connections)])
		list = append(list, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			reply, err := client.Echo(ctx, &api.EchoRequest{Content: Content})
			if err == nil && reply.GetContent() != Content {
				err = errWrongAnswer(reply.GetContent())
			}
			return err
		})
	}
	return list
}

// Streams returns callers with one bidirectional stream each, until ctx ends. A call sends
// one message and receives its answer.
func (g *GRPC) Streams(ctx context.Context, callers int) ([]Call, error) {
	var list []Call
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
				err = errWrongAnswer(string(reply.GetPayload().GetBody()))
			}
			return err
		})
	}
	return list, nil
}

// REST is a client that calls the same method as JSON over HTTP.
type REST struct {
	// Traffic counts the bytes on all connections.
	Traffic    Traffic
	url        string
	transports []*http.Transport
}

// DialREST creates a client over TLS. With HTTP/2 it uses that many connections. With
// HTTP/1.1 it uses one for each caller.
func DialREST(http2 bool, connections int, security *tls.Config, address string) *REST {
	r := &REST{url: "https://" + security.ServerName + "/v1/echo"}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(http2)
	protocols.SetHTTP1(!http2)
	for range connections {
		r.transports = append(r.transports, &http.Transport{
			Protocols:           protocols,
			TLSClientConfig:     security.Clone(),
			MaxIdleConnsPerHost: 1024,
			DisableCompression:  true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return r.Traffic.dial(ctx, network, address)
			},
		})
	}
	return r
}

// Close closes the connections.
func (r *REST) Close() {
	for _, transport := range r.transports {
		transport.CloseIdleConnections()
	}
}

// Unary returns callers of api.Echo/Echo by REST.
func (r *REST) Unary(callers int) []Call {
	var list []Call
	for i := range callers {
		client := &http.Client{Transport: r.transports[i%len(r.transports)], Timeout: deadline}
		list = append(list, func(ctx context.Context) error { return r.post(ctx, client) })
	}
	return list
}

// message is an api.EchoRequest or api.EchoResponse in JSON.
type message struct {
	Content string `json:"content"`
}

func (r *REST) post(ctx context.Context, client *http.Client) error {
	body, err := json.Marshal(message{Content})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var reply message
	if err := json.Unmarshal(answer, &reply); err != nil || reply.Content != Content {
		return fmt.Errorf("status %d: %w", response.StatusCode, errWrongAnswer(string(answer)))
	}
	return nil
}
