package chassis

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestParseTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"5m": 5 * time.Millisecond, "99999999n": 99999999, "1000u": time.Millisecond, "7S": 7 * time.Second,
		"2M": 2 * time.Minute, "1H": time.Hour, "0m": 0, "99999999H": maxTimeoutHours * time.Hour,
		"": -1, "m": -1, "5": -1, "5x": -1, "-5m": -1, "+5m": -1, "123456789m": -1, "5.5S": -1,
	} {
		got, ok := parseTimeout(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("parseTimeout(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
}

// TestDeadlineOfTheEdge has handlers wait for the end of their context.
func TestDeadlineOfTheEdge(t *testing.T) {
	t.Parallel()
	client := start(t, settings{}, handlers{
		unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
			<-stream.Context().Done()
			return stream.Context().Err()
		},
	}).client()
	// The client has no timer of its own that is as short.
	ctx := metadata.AppendToOutgoingContext(bounded(t), deadlineHeader, "50m")
	var header metadata.MD
	_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{}, grpc.Header(&header))
	if status.Code(err) != codes.DeadlineExceeded || len(header.Get("hostname")) != 1 {
		t.Errorf("the unary call = %v with header %v, want DEADLINE_EXCEEDED after a header: Envoy counts it against the pod otherwise", err, header)
	}
	stream, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the stream = %v, want DEADLINE_EXCEEDED", err)
	}
	if header, err := stream.Header(); err != nil || len(header.Get("hostname")) != 1 {
		t.Errorf("the stream has header %v, %v, want the hostname", header, err)
	}
}

// TestDeadlineOfAStreamThatWaits has a handler that ignores its context: it sends
// headers and waits for a message.
func TestDeadlineOfAStreamThatWaits(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	client := start(t, settings{}, handlers{
		stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
			if err := stream.SendHeader(nil); err != nil {
				return err
			}
			_, err := stream.Recv()
			ended <- err
			return err
		},
	}).client()
	stream, err := client.FullDuplexCall(metadata.AppendToOutgoingContext(bounded(t), deadlineHeader, "50m"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("the stream = %v, want DEADLINE_EXCEEDED", err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the handler received a message that nobody sent")
		}
	case <-bounded(t).Done():
		t.Error("the handler still waits after its stream has ended")
	}
}

// TestNoDeadlineOfTheEdge sends no deadline, and one in another format.
func TestNoDeadlineOfTheEdge(t *testing.T) {
	t.Parallel()
	client := start(t, settings{}, handlers{
		unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			if at, ok := ctx.Deadline(); ok && time.Until(at) < time.Second {
				return nil, status.Error(codes.Internal, "the context has a deadline")
			}
			return &grpc_testing.SimpleResponse{}, nil
		},
	}).client()
	for _, value := range []string{"", "5x"} {
		ctx := bounded(t)
		if value != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, deadlineHeader, value)
		}
		if _, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{}); err != nil {
			t.Errorf("with %s %q: %v", deadlineHeader, value, err)
		}
	}
}

func TestEarly(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]time.Duration{
		10 * time.Millisecond: 5 * time.Millisecond, 50 * time.Millisecond: 10 * time.Millisecond,
		time.Second: 50 * time.Millisecond, time.Minute: 100 * time.Millisecond,
	} {
		if got := early(timeout); got != want {
			t.Errorf("early(%s) = %s, want %s", timeout, got, want)
		}
	}
}

// TestHandlersThatOutliveTheirCallsAreBounded has handlers ignore their context.
func TestHandlersThatOutliveTheirCallsAreBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	client := start(t, settings{}, handlers{stream: func(grpc_testing.TestService_FullDuplexCallServer) error {
		<-release
		return nil
	}}).client()
	ends := make(chan error, maxAbandoned+1)
	for range cap(ends) {
		go func() {
			stream, err := client.FullDuplexCall(metadata.AppendToOutgoingContext(bounded(t), deadlineHeader, "20m"))
			if err == nil {
				_, err = stream.Recv()
			}
			ends <- err
		}()
	}
	for range maxAbandoned {
		if err := <-ends; status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a stream whose handler goes on = %v, want DEADLINE_EXCEEDED", err)
		}
	}
	close(release)
	if err := <-ends; !errors.Is(err, io.EOF) {
		t.Errorf("a stream too many = %v, want to end with its handler", err)
	}
}
