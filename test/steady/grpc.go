package steady

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
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

// keep creates a connection that reconnects by itself.
func keep(target Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return dial(target, append(options,
		// A long-running client reconnects quickly. The default backoff goes up to two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: fastBackoff, MinConnectTimeout: time.Second}),
		// Without keepalive, a connection to a vanished node is used until TCP times out.
		// 10 s is the least that grpc-go takes (keepalive.ClientParameters).
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: pingTimeout}))...)
}

func dial(target Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+target.Address, append(options,
		grpc.WithTransportCredentials(credentials.NewTLS(target.TLS)),
		grpc.WithAuthority(target.TLS.ServerName),
		grpc.WithStatsHandler(attempts{}))...)
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

// unary calls api.Echo and api.Reverse in turn.
type unary struct {
	connection *grpc.ClientConn
	turn       atomic.Int64
}

func newUnary(target Target, n int) (client, error) {
	connection, err := keep(target)
	u := &unary{connection: connection}
	u.turn.Store(int64(n))
	return u, err
}

func (u *unary) call(ctx context.Context) error {
	if u.turn.Add(1)%2 == 0 {
		return callEcho(ctx, u.connection)
	}
	reply, err := reverse.NewReverseClient(u.connection).Reverse(ctx, &reverse.ReverseRequest{Content: content})
	if err == nil && reply.GetContent() != reversed {
		err = wrongAnswer(reply.GetContent())
	}
	return err
}

func (u *unary) close() { u.connection.Close() }

func callEcho(ctx context.Context, connection *grpc.ClientConn) error {
	reply, err := echo.NewEchoClient(connection).Echo(ctx, &echo.EchoRequest{Content: content})
	if err == nil && reply.GetContent() != content {
		err = wrongAnswer(reply.GetContent())
	}
	return err
}

// connecting opens a new connection for each call of api.Echo. The call's deadline
// covers the connect too.
type connecting struct{ target Target }

func (c connecting) call(ctx context.Context) error {
	connection, err := dial(c.target)
	if err != nil {
		return err
	}
	defer connection.Close()
	return callEcho(ctx, connection)
}

func (connecting) close() {}

// stream lists the services on a bidirectional stream of the reflection service. It makes
// one call at a time.
type stream struct {
	connection *grpc.ClientConn
	life       time.Duration
	turn       chan struct{}                                                  // holds an element while a call is in flight
	open       grpc_reflection_v1.ServerReflection_ServerReflectionInfoClient // nil for none
	cancel     context.CancelFunc                                             // of open
	until      time.Time
}

func newStream(target Target, life time.Duration) (client, error) {
	connection, err := keep(target)
	return &stream{connection: connection, life: life, turn: make(chan struct{}, 1)}, err
}

// call sends one message and waits for its answer. The stream stays open after the call.
func (s *stream) call(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return errLate
	}
	if err := s.renew(ctx); err != nil {
		return err
	}
	err := bounded(ctx, s.cancel, s.exchange)
	if err != nil {
		s.drop()
	}
	return err
}

// errLate is the error of a call that reached its deadline.
var errLate = fmt.Errorf("no answer by the deadline: %w", context.DeadlineExceeded)

// bounded runs do, and calls cancel when ctx ends. It returns errLate if ctx ended first.
func bounded(ctx context.Context, cancel func(), do func() error) error {
	stop := context.AfterFunc(ctx, cancel)
	err := do()
	if !stop() {
		return errLate
	}
	return err
}

// renew ends a stream that is older than its life, and opens a stream if there is none.
func (s *stream) renew(ctx context.Context) error {
	if s.open != nil && time.Now().After(s.until) {
		err := bounded(ctx, s.cancel, s.end)
		s.drop()
		if err != nil {
			return err
		}
	}
	if s.open != nil {
		return nil
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.until = cancel, time.Now().Add(s.life)
	err := bounded(ctx, cancel, func() (err error) {
		s.open, err = grpc_reflection_v1.NewServerReflectionClient(s.connection).ServerReflectionInfo(life)
		return err
	})
	if err != nil {
		s.drop()
	}
	return err
}

// drop cancels the stream and forgets it.
func (s *stream) drop() {
	s.cancel()
	s.open = nil
}

// end half-closes the stream. The server must end it without an error.
func (s *stream) end() error {
	if err := s.open.CloseSend(); err != nil {
		return err
	}
	switch reply, err := s.open.Recv(); {
	case err == nil:
		return fmt.Errorf("a stream that was half-closed got one more answer: %w", wrongAnswer(reply.String()))
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("a stream that was half-closed ended with: %w", err)
	}
	return nil
}

func (s *stream) exchange() error {
	request := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}
	if err := s.open.Send(request); err != nil {
		if _, why := s.open.Recv(); why != nil { // Send tells only that the stream has ended
			err = why
		}
		return err
	}
	reply, err := s.open.Recv()
	if err != nil {
		return err
	}
	var names []string
	for _, service := range reply.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	if !slices.Contains(names, "api.Echo") {
		return wrongAnswer(strings.Join(names, " "))
	}
	return nil
}

func (s *stream) close() {
	if s.open != nil {
		s.drop()
	}
	s.connection.Close()
}

// wrongAnswer returns the error for an answer that does not match the request.
func wrongAnswer(got string) error { return fmt.Errorf("the answer was %.80q", got) }
