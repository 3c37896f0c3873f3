package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// slowMethod is how long a call takes in the tests of short deadlines.
const slowMethod = 30 * time.Millisecond

// TestShortDeadlinesEjectNoPod has calls end by deadlines shorter than the method
// takes, at backends of grpc-go that know nothing of the edge.
func TestShortDeadlinesEjectNoPod(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	for _, b := range p.backends {
		b.answer(func(stream grpc.ServerStream) error {
			if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
				return err
			}
			time.Sleep(slowMethod)
			return stream.SendMsg(&emptypb.Empty{})
		})
	}
	client := p.browser(t, true)
	for range 300 {
		got, err := p.rawBy(t, client, count, func(r *http.Request) { r.Header.Set("Grpc-Timeout", "5m") })
		if err != nil || got.code != codes.DeadlineExceeded {
			t.Fatalf("a call with a deadline shorter than it takes = %v, %v, want DEADLINE_EXCEEDED", got, err)
		}
	}
	p.expectNoEjection(t)
}

// TestHeadersWithoutMessageEjectNoPod opens calls and sends nothing until their
// deadline is over.
func TestHeadersWithoutMessageEjectNoPod(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	client := p.browser(t, true)
	for range 100 {
		body, never := io.Pipe()
		got, err := p.rawBy(t, client, count, func(r *http.Request) {
			r.Header.Set("Grpc-Timeout", "5m")
			r.Body, r.ContentLength = body, -1
		})
		_ = never.Close()
		if err != nil || got.code != codes.DeadlineExceeded {
			t.Fatalf("a call without a message = %v, %v, want DEADLINE_EXCEEDED", got, err)
		}
	}
	p.expectNoEjection(t)
}

// TestDeadlinesOfBackendsEjectNoPod has backends say DEADLINE_EXCEEDED themselves after
// their headers, as the chassis does.
func TestDeadlinesOfBackendsEjectNoPod(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	connection := p.dial(t)
	for _, b := range p.backends {
		b.answer(func(stream grpc.ServerStream) error {
			if err := stream.SendHeader(nil); err != nil {
				return err
			}
			return status.Error(codes.DeadlineExceeded, "as the test wants")
		})
	}
	for range 60 {
		if err := callTicks(t.Context(), connection); status.Code(err) != codes.DeadlineExceeded {
			t.Fatalf("a stream = %v, want DEADLINE_EXCEEDED", err)
		}
	}
	p.expectNoEjection(t)
}

// callTicks reads a stream to its end.
func callTicks(ctx context.Context, connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, ticks)
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.CloseSend()); err != nil {
		return err
	}
	for err = nil; err == nil; {
		err = stream.RecvMsg(&emptypb.Empty{})
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// expectNoEjection also makes sure that there is what could have ejected a pod.
func (p *pods) expectNoEjection(t *testing.T) {
	t.Helper()
	p.stat(t, callLimit, "cluster.probe.outlier_detection.ejections_enforced_total", 0)
	if got := p.counter(t, "cluster.probe.upstream_rq_total"); got == 0 {
		t.Error("no call reached a pod: this test proved nothing")
	}
}
