package chassis

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
)

// timeout bounds every test; none should come near it.
const timeout = 20 * time.Second

// serviceName is gRPC's own service for tests.
const serviceName = "grpc.testing.TestService"

// handlers is the service under test.
type handlers struct {
	grpc_testing.UnimplementedTestServiceServer
	unary  func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error)
	stream func(grpc_testing.TestService_FullDuplexCallServer) error
}

func (h handlers) UnaryCall(
	ctx context.Context, request *grpc_testing.SimpleRequest,
) (*grpc_testing.SimpleResponse, error) {
	if h.unary == nil {
		return &grpc_testing.SimpleResponse{Payload: request.GetPayload()}, nil
	}
	return h.unary(ctx, request)
}

func (h handlers) FullDuplexCall(stream grpc_testing.TestService_FullDuplexCallServer) error {
	if h.stream == nil {
		return stream.Send(&grpc_testing.StreamingOutputCallResponse{})
	}
	return h.stream(stream)
}

// running describes a server under test.
type running struct {
	t       *testing.T
	address string
	logs    *logs
	sigterm context.CancelFunc
	done    chan error // what serve returned
}

// start serves the handlers until the test ends.
func start(t *testing.T, s settings, h handlers, options ...Option) *running {
	t.Helper()
	return startAt(t, "127.0.0.1:0", s, h, options...)
}

// startAt serves the handlers at an address until the test ends.
func startAt(t *testing.T, address string, s settings, h handlers, options ...Option) *running {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if s.termination == (termination{}) {
		s.termination = termination{drain: timeout / 2, flush: timeout / 2}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{
		t: t, address: listener.Addr().String(), logs: &logs{}, sigterm: cancel, done: make(chan error, 1),
	}
	log := newLogger(r.logs, s.logLevel)
	go func() {
		r.done <- serve(ctx, listener, s, log, func(server grpc.ServiceRegistrar) {
			grpc_testing.RegisterTestServiceServer(server, h)
		}, options...)
	}()
	t.Cleanup(func() { r.stop() })
	return r
}

// stop does what SIGTERM does, and waits for the end; doing so again is allowed.
func (r *running) stop() {
	r.t.Helper()
	r.sigterm()
	select {
	case err := <-r.done:
		r.done <- err
		if err != nil {
			r.t.Errorf("serve() = %v, want no error", err)
		}
	case <-time.After(timeout):
		r.t.Errorf("serve() did not return within %s of SIGTERM", timeout)
	}
}

// dial returns a new connection to the server.
func (r *running) dial() *grpc.ClientConn {
	r.t.Helper()
	conn, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

func (r *running) client() grpc_testing.TestServiceClient {
	return grpc_testing.NewTestServiceClient(r.dial())
}

// bounded returns the context of a test's calls.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// logs is a buffer that can be read while it is written.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestRunRefusesAWrongEnvironment(t *testing.T) {
	t.Setenv("PORT", "http")
	err := Run(t.Context(), func(grpc.ServiceRegistrar) {})
	if err == nil || !strings.Contains(err.Error(), `PORT="http"`) {
		t.Errorf("Run() = %v, want an error about PORT", err)
	}
}

func TestRunSaysThatThePortIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	t.Setenv("PORT", port)
	if err := Run(t.Context(), func(grpc.ServiceRegistrar) {}); err == nil || !strings.Contains(err.Error(), "PORT="+port) {
		t.Errorf("Run() = %v, want an error about PORT=%s", err, port)
	}
}

func TestServeReportsALostListener(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	err = serve(t.Context(), listener, settings{}, slog.New(slog.DiscardHandler), func(grpc.ServiceRegistrar) {})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("serve() on a closed listener = %v, want net.ErrClosed", err)
	}
}
