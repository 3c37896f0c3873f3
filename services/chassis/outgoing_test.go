package chassis

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// chain starts a service that calls another one for each call, and returns a client
// of the first. The handler is the second's.
func chain(t *testing.T, c *cluster, s settings, environment func(string) string, h handlers) grpc_testing.TestServiceClient {
	t.Helper()
	c.serve(1, termination{}, h)
	c.name(1)
	connection, err := dial(environment, "reverse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	called := grpc_testing.NewTestServiceClient(connection)
	return start(t, s, handlers{
		unary: callOn(called),
		stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
			onward, err := called.FullDuplexCall(stream.Context())
			if err != nil {
				return err
			}
			reply, err := onward.Recv()
			if err != nil {
				return err
			}
			return stream.Send(reply)
		},
	}).client()
}

func callOn(client grpc_testing.TestServiceClient) func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	return func(ctx context.Context, request *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
		return client.UnaryCall(ctx, request)
	}
}

func TestDialPassesTheDeadlineOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	client := chain(t, c, settings{}, c.environment(), handlers{
		unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			deadline, ok := ctx.Deadline()
			if !ok {
				return nil, status.Error(codes.Internal, "no deadline")
			}
			return &grpc_testing.SimpleResponse{Username: deadline.Format(time.RFC3339Nano)}, nil
		},
	})
	ctx := bounded(t)
	reply, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
	if err != nil {
		t.Fatal(err)
	}
	ours, _ := ctx.Deadline()
	theirs, err := time.Parse(time.RFC3339Nano, reply.GetUsername())
	// Each hop tells the next what is left, rounded up to what a header can say.
	if err != nil || theirs.After(ours.Add(time.Second)) {
		t.Errorf("the called service has until %s (%v), want about %s", reply.GetUsername(), err, ours)
	}
}

func TestDialPassesCancellationOn(t *testing.T) {
	t.Parallel()
	c, entered, left := newCluster(t), make(chan struct{}), make(chan struct{})
	client := chain(t, c, settings{}, c.environment(), handlers{
		unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			close(entered)
			<-ctx.Done()
			close(left)
			return nil, ctx.Err()
		},
	})
	ctx, cancel := context.WithCancel(bounded(t))
	go func() {
		<-entered
		cancel()
	}()
	_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
	if status.Code(err) != codes.Canceled {
		t.Errorf("the call ends with %v, want CANCELLED", err)
	}
	select {
	case <-left:
	case <-time.After(timeout):
		t.Error("the called service still works for a caller that has gone")
	}
}

// traced is the handler of a service that answers with the trace of the call.
var traced = handlers{
	unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
		incoming, _ := metadata.FromIncomingContext(ctx)
		return &grpc_testing.SimpleResponse{Username: strings.Join(incoming.Get("traceparent"), ","), Hostname: strings.Join(incoming.Get("baggage"), ",")}, nil
	},
	stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
		incoming, _ := metadata.FromIncomingContext(stream.Context())
		return stream.Send(&grpc_testing.StreamingOutputCallResponse{
			Payload: &grpc_testing.Payload{Body: []byte(strings.Join(incoming.Get("traceparent"), ","))},
		})
	},
}

// traces makes a unary and a streaming call, and returns the traceparent that each arrives with.
func traces(t *testing.T, client grpc_testing.TestServiceClient) (unary, stream string) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(bounded(t), "traceparent", traceparent, "baggage", "k=v")
	reply, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if reply.GetHostname() != "k=v" {
		t.Errorf("baggage %q arrives, want k=v", reply.GetHostname())
	}
	call, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	part, err := call.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetUsername(), string(part.GetPayload().GetBody())
}

func TestDialPassesTheTraceOnWithoutTelemetry(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	unary, stream := traces(t, chain(t, c, settings{}, c.environment(), traced))
	if unary != traceparent || stream != traceparent {
		t.Errorf("traceparent %q and %q arrive, want %q as it came", unary, stream, traceparent)
	}
}

// TestTraceThatCannotBePassedOn has a client send what grpc-go would not.
func TestTraceThatCannotBePassedOn(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("baggage", "k=\tv", "tracestate", "é=1", "traceparent", "00-ab"))
	if got, _ := metadata.FromOutgoingContext(passTrace(ctx)); len(got) != 1 || got.Get("traceparent")[0] != "00-ab" {
		t.Errorf("%v is passed on, want only traceparent", got)
	}
}

// TestDialPassesItsOwnSpanOn checks that calls to another service carry the trace of the caller,
// with a span of this service as the parent. It is not parallel, as environment and providers are
// global.
func TestDialPassesItsOwnSpanOn(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", startCollector(t).address)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	c := newCluster(t)
	environment := func(name string) string {
		if name == "OTEL_TRACES_EXPORTER" {
			return "otlp"
		}
		return c.environment()(name)
	}
	unary, stream := traces(t, chain(t, c, settings{traces: true}, environment, traced))
	for _, got := range []string{unary, stream} {
		if !strings.HasPrefix(got, "00-"+traceID+"-") || got == traceparent {
			t.Errorf("traceparent %q arrives, want trace %s with a span of the service as parent", got, traceID)
		}
	}
}

// TestDialTakesOptions shows that a caller's options win over the defaults.
func TestDialTakesOptions(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.start(1, termination{})
	c.name(1)
	connection, err := dial(c.environment(), "reverse", grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	_, err = grpc_testing.NewTestServiceClient(connection).UnaryCall(bounded(t), &grpc_testing.SimpleRequest{})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a reply above the caller's own limit ends with %v, want RESOURCE_EXHAUSTED", err)
	}
}
