package loadgen

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	echo "example.com/grpc-edge/services/echo/api"
	reverse "example.com/grpc-edge/services/reverse/api"
)

// content is the text of every request. reversed is the answer of api.Reverse to it.
const (
	content  = "all work and no play"
	reversed = "yalp on dna krow lla"
)

// pingTimeout bounds the wait for the answer to a PING. After it, the connection is closed.
const pingTimeout = 2 * time.Second

// fastBackoff is for a long-running client, which reconnects quickly. The default goes up to
// two minutes.
var fastBackoff = backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}

// keep creates a connection that reconnects by itself.
func keep(target Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return counted(target, append(options,
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: fastBackoff, MinConnectTimeout: time.Second}),
		// Without keepalive, a connection to a vanished node is used until TCP times out.
		// 10 s is the least that grpc-go takes (keepalive.ClientParameters).
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: pingTimeout}))...)
}

// counted creates a connection that counts transparent retries.
func counted(target Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return dial(target, append(options, grpc.WithStatsHandler(attempts{}))...)
}

func dial(target Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if target.TLS != nil {
		transport = credentials.NewTLS(target.TLS)
	}
	return grpc.NewClient("passthrough:///"+target.Address, append(options, grpc.WithTransportCredentials(transport))...)
}

// attempts counts transparent retries: grpc-go resends a call by itself if the server
// has not begun it (grpc-go, "Retry").
type attempts struct{}

// HandleRPC implements stats.Handler.
func (attempts) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if begin, ok := s.(*stats.Begin); ok && begin.IsTransparentRetryAttempt {
		addRetries(ctx, 1)
	}
}

// TagRPC implements stats.Handler.
func (attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (attempts) HandleConn(context.Context, stats.ConnStats) {}

// newClient returns a client that owns the connection.
func newClient(connection *grpc.ClientConn, call Caller) client {
	return client{call, func() { connection.Close() }}
}

// newUnary returns a client that calls api.Echo and api.Reverse in turn. The first call depends
// on n.
func newUnary(target Target, n int) (client, error) {
	connection, err := keep(target)
	var turn atomic.Int64
	turn.Store(int64(n))
	return newClient(connection, func(ctx context.Context) error {
		if turn.Add(1)%2 == 0 {
			return callEcho(ctx, connection, content)
		}
		return callReverse(ctx, connection, content, reversed)
	}), err
}

// connecting returns a client that opens a new connection for each call of api.Echo. The
// call's deadline covers the connect too.
func connecting(target Target) client {
	return client{func(ctx context.Context) error {
		connection, err := counted(target)
		if err != nil {
			return err
		}
		defer connection.Close()
		return callEcho(ctx, connection, content)
	}, func() {}}
}

func callReverse(ctx context.Context, connection *grpc.ClientConn, content, want string) error {
	reply, err := reverse.NewReverseClient(connection).Reverse(ctx, &reverse.ReverseRequest{Content: content})
	if err == nil && reply.GetContent() != want {
		err = wrongAnswer(reply.GetContent())
	}
	return err
}

func callEcho(ctx context.Context, connection *grpc.ClientConn, content string) error {
	reply, err := echo.NewEchoClient(connection).Echo(ctx, &echo.EchoRequest{Content: content})
	if err == nil && reply.GetContent() != content {
		err = wrongAnswer(reply.GetContent())
	}
	return err
}

// wrongAnswer returns the error for an answer that does not match the request.
func wrongAnswer(got string) error { return fmt.Errorf("the answer was %.80q", got) }
