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

	echo "grpc-edge/services/echo/api"
	reverse "grpc-edge/services/reverse/api"
)

// content is what calls send, and reversed what api.Reverse makes of it.
const (
	content  = "all work and no play"
	reversed = "yalp on dna krow lla"
)

// dial opens a connection, which reconnects by itself.
func dial(target Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+target.Address, append(options,
		grpc.WithTransportCredentials(credentials.NewTLS(target.TLS)),
		grpc.WithAuthority(target.TLS.ServerName),
		// As a client that keeps up a service would: the default goes up to two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: fastBackoff, MinConnectTimeout: time.Second}),
		// Without it a connection to a node that has vanished is used until TCP gives up.
		// 10 s is the least that grpc-go takes (keepalive.ClientParameters).
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second}))...)
}

// unary calls api.Echo and api.Reverse in turn.
type unary struct {
	connection *grpc.ClientConn
	attempts   *attempts
	turn       int
}

func newUnary(target Target, n int) (client, error) {
	a := &attempts{}
	connection, err := dial(target, grpc.WithStatsHandler(a))
	return &unary{connection, a, n}, err
}

func (u *unary) call(ctx context.Context) (retries int, err error) {
	u.attempts.transparent.Store(0)
	u.turn++
	var got, want string
	if u.turn%2 == 0 {
		var reply *echo.EchoResponse
		reply, err = echo.NewEchoClient(u.connection).Echo(ctx, &echo.EchoRequest{Content: content})
		got, want = reply.GetContent(), content
	} else {
		var reply *reverse.ReverseResponse
		reply, err = reverse.NewReverseClient(u.connection).Reverse(ctx, &reverse.ReverseRequest{Content: content})
		got, want = reply.GetContent(), reversed
	}
	if err == nil && got != want {
		err = wrongAnswer(got)
	}
	return int(u.attempts.transparent.Load()), err
}

func (u *unary) close() { u.connection.Close() }

// connecting calls api.Echo on a connection of its own for each call.
type connecting struct{ target Target }

func (c connecting) call(ctx context.Context) (retries int, err error) {
	connection, err := dial(c.target)
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	reply, err := echo.NewEchoClient(connection).Echo(ctx, &echo.EchoRequest{Content: content})
	if err == nil && reply.GetContent() != content {
		err = wrongAnswer(reply.GetContent())
	}
	return 0, err
}

func (connecting) close() {}

// attempts counts what grpc-go sends anew by itself: calls that a server said it
// has not begun (grpc-go, "Retry": transparent retries).
type attempts struct{ transparent atomic.Int32 }

// HandleRPC implements stats.Handler.
func (a *attempts) HandleRPC(_ context.Context, s stats.RPCStats) {
	if begin, ok := s.(*stats.Begin); ok && begin.IsTransparentRetryAttempt {
		a.transparent.Add(1)
	}
}

// TagRPC implements stats.Handler.
func (a *attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (a *attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (a *attempts) HandleConn(context.Context, stats.ConnStats) {}

// stream asks for the list of services on a bidirectional stream of reflection.
type stream struct {
	connection *grpc.ClientConn
	life       time.Duration
	open       grpc_reflection_v1.ServerReflection_ServerReflectionInfoClient
	cancel     context.CancelFunc
	until      time.Time
}

func newStream(target Target, life time.Duration) (client, error) {
	connection, err := dial(target)
	return &stream{connection: connection, life: life}, err
}

// call sends one message and waits for its answer. The stream outlives the call.
func (s *stream) call(ctx context.Context) (retries int, err error) {
	stop := context.AfterFunc(ctx, func() {
		if s.cancel != nil {
			s.cancel()
		}
	})
	defer stop()
	if err := s.renew(ctx); err != nil {
		return 0, err
	}
	if err := s.exchange(); err != nil {
		s.cancel()
		s.open = nil
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer by the deadline: %w", context.DeadlineExceeded)
		}
		return 0, err
	}
	return 0, nil
}

// renew ends a stream that has lived long enough, and opens one where none is.
func (s *stream) renew(ctx context.Context) error {
	if s.open != nil && time.Now().After(s.until) {
		err := s.end()
		s.open = nil
		if err != nil {
			return err
		}
	}
	if s.open != nil {
		return nil
	}
	var life context.Context
	life, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	open, err := grpc_reflection_v1.NewServerReflectionClient(s.connection).ServerReflectionInfo(life)
	if err != nil {
		s.cancel()
		return err
	}
	s.open, s.until = open, time.Now().Add(s.life)
	return nil
}

// end half-closes the stream: the server must end it well.
func (s *stream) end() error {
	defer s.cancel()
	if err := s.open.CloseSend(); err != nil {
		return err
	}
	if _, err := s.open.Recv(); !errors.Is(err, io.EOF) {
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
		s.cancel()
	}
	s.connection.Close()
}

// wrongAnswer is an answer that is not the one to what was sent.
func wrongAnswer(got string) error { return fmt.Errorf("the answer was %.80q", got) }
