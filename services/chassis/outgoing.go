package chassis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// podWait is the time that a call waits while no pod of the called service is healthy.
// gRPC's own "wait for ready" would wait as long as the caller does, and forever in a
// call without a deadline.
const podWait = 10 * time.Second

// waitForPodUnary holds a call until a pod can take it. Nothing has been sent by then,
// so waiting is safe for every method.
func waitForPodUnary(variable, target string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn,
		invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		found := waitForPod(ctx, connection)
		return explainNoPod(found, variable, target, invoke(ctx, method, request, reply, connection, options...))
	}
}

// waitForPodStream does for streams what waitForPodUnary does for calls.
func waitForPodStream(variable, target string) grpc.StreamClientInterceptor {
	return func(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string,
		open grpc.Streamer, options ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		found := waitForPod(ctx, connection)
		stream, err := open(ctx, description, connection, method, options...)
		return stream, explainNoPod(found, variable, target, err)
	}
}

// waitForPod reports whether a pod is there to take a call, and waits for one until
// the context ends, for at most podWait.
func waitForPod(ctx context.Context, connection *grpc.ClientConn) bool {
	if connection.GetState() == connectivity.Ready {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, podWait)
	defer cancel()
	for {
		state := connection.GetState()
		if state == connectivity.Ready {
			return true
		}
		if state == connectivity.Shutdown {
			return false
		}
		connection.Connect() // does nothing unless it is idle
		if !connection.WaitForStateChange(ctx, state) {
			return false
		}
	}
}

// explainNoPod adds the target to an error if no pod was found.
func explainNoPod(found bool, variable, target string, err error) error {
	if found || err == nil {
		return err
	}
	s := status.Convert(err)
	return status.Error(s.Code(), fmt.Sprintf("no healthy pod behind %s=%s: %s", variable, target, s.Message()))
}

// traceHeaders carry the context of a trace (W3C Trace Context and Baggage).
var traceHeaders = []string{"traceparent", "tracestate", "baggage"}

// passTrace copies the trace of the incoming call to an outgoing one if this program
// has no span of its own. A program that exports no traces may still be called by
// programs that do, and call them.
func passTrace(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx // otelgrpc names this program's span as the parent
	}
	incoming, _ := metadata.FromIncomingContext(ctx)
	outgoing, _ := metadata.FromOutgoingContext(ctx)
	for _, header := range traceHeaders {
		if len(outgoing.Get(header)) > 0 {
			continue
		}
		for _, value := range incoming.Get(header) {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
				continue // a client may send it, and grpc-go would fail the call
			}
			ctx = metadata.AppendToOutgoingContext(ctx, header, value)
		}
	}
	return ctx
}

func passTraceUnary(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	return invoke(passTrace(ctx), method, request, reply, connection, options...)
}

func passTraceStream(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return open(passTrace(ctx), description, connection, method, options...)
}
