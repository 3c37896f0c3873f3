package chassis

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// outcomes are handlers with every kind of end, and what the client sees.
var outcomes = map[string]struct {
	end     func() error
	code    codes.Code
	message string
	logged  string // a part of a log line, at level info
}{
	"success":         {func() error { return nil }, codes.OK, "", ""},
	"client's fault":  {func() error { return status.Error(codes.InvalidArgument, "x") }, codes.InvalidArgument, "x", ""},
	"server's fault":  {func() error { return errors.New("from the handler") }, codes.Unknown, "from the handler", `"severity":"ERROR"`},
	"context's end":   {func() error { return context.Canceled }, codes.Canceled, "context canceled", ""},
	"panic":           {func() error { panic("secret") }, codes.Internal, "internal error", "interceptors_test.go"},
	"nil dereference": {func() error { var p *handlers; _ = *p; return nil }, codes.Internal, "internal error", "nil pointer"},
}

func TestUnaryOutcomes(t *testing.T) {
	t.Parallel()
	for name, test := range outcomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, settings{}, handlers{
				unary: func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
					return &grpc_testing.SimpleResponse{}, test.end()
				},
			})
			client := r.client()
			for range 2 { // the second shows that the server survived
				var header, trailer metadata.MD
				_, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
				if err != nil {
					// Envoy may repeat the call only if nothing came before the status.
					if len(header) > 0 {
						t.Errorf("a call that failed has headers %v", header)
					}
					header = trailer
				}
				checkOutcome(t, err, test.code, test.message, header)
			}
			checkLogged(t, r.logs, test.logged)
		})
	}
}

func TestStreamOutcomes(t *testing.T) {
	t.Parallel()
	for name, test := range outcomes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, settings{}, handlers{
				stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
					if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
						return err
					}
					return test.end()
				},
			})
			client := r.client()
			for range 2 {
				stream, err := client.FullDuplexCall(bounded(t))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					t.Fatal(err)
				}
				header, err := stream.Header()
				if err != nil {
					t.Fatal(err)
				}
				_, err = stream.Recv()
				if test.code == codes.OK {
					err = nil // io.EOF
				}
				checkOutcome(t, err, test.code, test.message, header)
			}
			checkLogged(t, r.logs, test.logged)
		})
	}
}

func checkOutcome(t *testing.T, err error, code codes.Code, message string, header metadata.MD) {
	t.Helper()
	if got := status.Convert(err); got.Code() != code || got.Message() != message {
		t.Errorf("the client gets %v, want code %v and message %q", err, code, message)
	}
	hostname, _ := os.Hostname()
	if got := header.Get("hostname"); !slices.Equal(got, []string{hostname}) {
		t.Errorf("hostname = %v, want once %q", got, hostname)
	}
}

func checkLogged(t *testing.T, logs *logs, want string) {
	t.Helper()
	if !strings.Contains(logs.String(), want) {
		t.Errorf("log has no %q:\n%s", want, logs)
	}
	if want == "" && strings.Contains(logs.String(), "finished call") {
		t.Errorf("log at level info has a call that is not the server's fault:\n%s", logs)
	}
}

func TestCallsAreLoggedAtDebug(t *testing.T) {
	t.Parallel()
	r := start(t, settings{logLevel: slog.LevelDebug}, handlers{})
	if _, err := r.client().UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	for _, want := range []string{`"message":"finished call"`, `"grpc.method":"UnaryCall"`, `"grpc.code":"OK"`} {
		checkLogged(t, r.logs, want)
	}
}

func TestOnlyTheServersFaultsAreErrors(t *testing.T) {
	t.Parallel()
	faults := []codes.Code{codes.Unknown, codes.Internal, codes.DataLoss}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		want := logging.LevelDebug
		if slices.Contains(faults, code) {
			want = logging.LevelError
		}
		if got := callLevel(callCode(status.Error(code, "x"))); got != want {
			t.Errorf("a call that ends with %v is logged at level %d, want %d", code, got, want)
		}
	}
	for err, want := range map[error]codes.Code{
		nil:                      codes.OK,
		context.Canceled:         codes.Canceled,
		context.DeadlineExceeded: codes.DeadlineExceeded,
		errors.ErrUnsupported:    codes.Unknown,
	} {
		if got := callCode(err); got != want {
			t.Errorf("a call that ends with %v is logged as %v, want %v", err, got, want)
		}
	}
}

func TestStreamThatFailsAtOnceHasNoHeaders(t *testing.T) {
	t.Parallel()
	r := start(t, settings{}, handlers{
		stream: func(grpc_testing.TestService_FullDuplexCallServer) error { return status.Error(codes.Unavailable, "x") },
	})
	stream, err := r.client().FullDuplexCall(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	header, _ := stream.Header()
	if len(header) > 0 {
		t.Errorf("a stream that failed has headers %v", header)
	}
	checkOutcome(t, err, codes.Unavailable, "x", stream.Trailer())
}

func TestHandlerMaySendHeaders(t *testing.T) {
	t.Parallel()
	own := metadata.Pairs("own", "1")
	r := start(t, settings{}, handlers{
		unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			return &grpc_testing.SimpleResponse{}, grpc.SendHeader(ctx, own)
		},
		stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error { return stream.SendHeader(own) },
	})
	var header metadata.MD
	if _, err := r.client().UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}, grpc.Header(&header)); err != nil || len(header.Get("own")) != 1 {
		t.Errorf("a call: %v, with headers %v", err, header)
	}
	stream, err := r.client().FullDuplexCall(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	header, err = stream.Header()
	if err != nil || len(header.Get("own")) != 1 || len(header.Get("hostname")) != 1 {
		t.Errorf("a stream: %v, with headers %v", err, header)
	}
}
