package e2e

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The tests of this file check that a call costs no other call on its connection.

var bidi = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// waiting opens a stream without messages, and returns a function that checks that the stream is
// still open. The backend answers the stream when the check begins.
func waiting(t *testing.T, b *backend, connection *grpc.ClientConn, others func(stream grpc.ServerStream) error) (alive func(what string)) {
	t.Helper()
	answer := make(chan struct{})
	b.answer(func(stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method != silence {
			return others(stream)
		}
		select {
		case <-answer:
			return stream.SendMsg(&emptypb.Empty{})
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	})
	stream, err := connection.NewStream(t.Context(), bidi, silence)
	if err == nil {
		err = stream.SendMsg(&emptypb.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, callLimit, func() error {
		if b.calls.Load() == 0 {
			return errors.New("the backend has not got the call")
		}
		return nil
	})
	return func(what string) {
		t.Helper()
		close(answer)
		if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
			t.Errorf("a stream beside %s: %v", what, err)
		}
	}
}

// TestEndedStreamsKeepTheConnection has the server end many streams first. Clients then reset them (grpc-go's
// http2_client.go). Envoy by default takes 1000 resets, and 33 more each second.
func TestEndedStreamsKeepTheConnection(t *testing.T) {
	t.Parallel()
	config, b := oneBackend(t)
	connection := start(t, config).dial(t)
	alive := waiting(t, b, connection, func(stream grpc.ServerStream) error {
		return errors.Join(stream.RecvMsg(&emptypb.Empty{}), stream.SendMsg(&emptypb.Empty{}))
	})
	for i := range 1500 {
		stream, err := connection.NewStream(t.Context(), bidi, ticks)
		if err == nil {
			err = errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.RecvMsg(&emptypb.Empty{}))
		}
		if err == nil {
			err = stream.RecvMsg(&emptypb.Empty{})
		}
		if !errors.Is(err, io.EOF) {
			t.Fatalf("stream %d, which the server ends: %v, want OK", i+1, err)
		}
	}
	alive("streams that the server ended")
}

// TestCancelledCallsKeepTheConnection has clients give up on a method that hangs. Envoy by default
// takes many early resets on a connection for an attack, and closes it.
func TestCancelledCallsKeepTheConnection(t *testing.T) {
	t.Parallel()
	for name, give := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"deadlines": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		},
		"cancelled calls": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, b := oneBackend(t)
			connection := start(t, config).dial(t)
			alive := waiting(t, b, connection, func(stream grpc.ServerStream) error {
				<-stream.Context().Done()
				return stream.Context().Err()
			})
			for range 6 {
				var calls sync.WaitGroup
				var closed atomic.Int64
				for range 90 {
					calls.Go(func() {
						ctx, cancel := give(t.Context())
						defer cancel()
						err := callCount(ctx, connection)
						if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Canceled {
							closed.Add(1)
						}
					})
				}
				calls.Wait()
				if n := closed.Load(); n > 0 {
					t.Fatalf("%d calls of a method that hangs ended with the connection", n)
				}
			}
			alive(name)
		})
	}
}

// TestStalledUploadsStallNobody has a backend leave many streams of a client unread, while the
// client makes other calls on the same connection.
func TestStalledUploadsStallNobody(t *testing.T) {
	t.Parallel()
	config, b := oneBackend(t)
	connection := start(t, config).dial(t)
	alive := waiting(t, b, connection, func(stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method == ticks {
			<-stream.Context().Done()
			return stream.Context().Err()
		}
		return errors.Join(stream.RecvMsg(&wrapperspb.BytesValue{}), stream.SendMsg(&emptypb.Empty{}))
	})
	for range 40 {
		stream, err := connection.NewStream(t.Context(), bidi, ticks)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = stream.SendMsg(wrapperspb.Bytes(make([]byte, 256<<10))) }() // waits until the test ends
	}
	for i := range 80 {
		ctx, cancel := context.WithTimeout(t.Context(), callLimit)
		err := connection.Invoke(ctx, count, wrapperspb.Bytes(make([]byte, 16<<10)), &emptypb.Empty{})
		cancel()
		if err != nil {
			t.Fatalf("call %d beside uploads that the backend does not read: %v", i+1, err)
		}
	}
	alive("uploads that the backend does not read")
}

// TestInvalidHeadersEndOneCall has a backend, and then a client, send a header that HTTP/2 forbids (RFC 9113,
// section 8.2.2).
func TestInvalidHeadersEndOneCall(t *testing.T) {
	t.Parallel()
	config, b := oneBackend(t)
	e := start(t, config)
	connection := e.dial(t)
	alive := waiting(t, b, connection, func(stream grpc.ServerStream) error {
		return errors.Join(stream.SetHeader(metadata.Pairs("connection", "keep-alive")), stream.RecvMsg(&emptypb.Empty{}), stream.SendMsg(&emptypb.Empty{}))
	})
	for range 3 {
		if err := callCount(t.Context(), connection); status.Code(err) != codes.Unavailable {
			t.Errorf("an answer with the header connection: %v, want UNAVAILABLE", err)
		}
	}
	alive("answers with the header connection")

	b.instead.Store(nil)
	f := e.frames(t)
	if err := f.open(1, call(count)); err != nil {
		t.Fatal(err)
	}
	if err := f.open(3, call(count, field("connection", "keep-alive"))); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ended(3); err != nil || got != "RST_STREAM PROTOCOL_ERROR" {
		t.Errorf("a call with the header connection: %q, %v, want it reset", got, err)
	}
	if err := f.WriteData(1, true, []byte(emptyMessage)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ended(1); err != nil || got != ":status 200 grpc-status 0" {
		t.Errorf("a call beside it: %q, %v, want OK", got, err)
	}
}
