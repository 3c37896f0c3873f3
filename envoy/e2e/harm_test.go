package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

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
			<-stream.Context().Done()
			return stream.SendMsg(&emptypb.Empty{})
		})
	}
	for _, way := range []struct {
		contentType string
		h2          bool
	}{{"application/grpc", true}, {"application/grpc-web+proto", true}, {"application/grpc-web-text", true}, {"application/grpc-web+proto", false}} {
		client := p.browser(t, way.h2)
		for i := range 100 {
			got, err := p.rawBy(t, client, count, func(r *http.Request) {
				// Envoy takes 5 ms off.
				r.Header.Set("Grpc-Timeout", []string{"5m", "6m", "20m"}[i%3])
				asWeb(r, way.contentType)
			})
			if err != nil || got.code != codes.DeadlineExceeded {
				t.Fatalf("a call of %s with a deadline shorter than it takes = %v, %v, want DEADLINE_EXCEEDED", way.contentType, got, err)
			}
		}
	}
	p.expectNoEjection(t)
}

// TestManyHeadersEjectNoPod has pods answer with more metadata than Envoy takes by default,
// in headers and in trailers, as servers do that echo metadata.
func TestManyHeadersEjectNoPod(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	many := metadata.MD{}
	for i := range 500 {
		many.Set(fmt.Sprintf("x-many-%d", i), "v")
	}
	for _, b := range p.backends {
		b.answer(func(stream grpc.ServerStream) error {
			if err := stream.SetHeader(many); err != nil {
				return err
			}
			stream.SetTrailer(many)
			return stream.SendMsg(&emptypb.Empty{})
		})
	}
	connection := p.dial(t)
	for range 60 {
		if err := callCount(t.Context(), connection); err != nil {
			t.Fatalf("a call with many headers in its answer: %v", err)
		}
	}
	p.expectNoEjection(t)
	if got := p.counter(t, "cluster.probe.upstream_rq_retry"); got != 0 {
		t.Errorf("calls were repeated %d times, want none", got)
	}
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

// callTicks reads a stream to its end, within a minute.
func callTicks(ctx context.Context, connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
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

// expectNoEjection checks that no pod was ejected, and that calls reached the pods.
func (p *pods) expectNoEjection(t *testing.T) {
	t.Helper()
	p.stat(t, callLimit, "cluster.probe.outlier_detection.ejections_enforced_total", 0)
	if got := p.counter(t, "cluster.probe.upstream_rq_total"); got == 0 {
		t.Error("no call reached a pod: this test proved nothing")
	}
}

// TestLargeErrors has backends answer errors with ever larger details, while another
// client holds a stream on the same connection to each pod.
func TestLargeErrors(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	end := p.largeErrors(t)
	connection := p.dial(t)
	for _, size := range []int32{1 << 10, 46 << 10, 70 << 10, 128 << 10, 190 << 10} {
		for i := range 60 {
			err := connection.Invoke(callContext(t), headers, wrapperspb.Int32(size), &emptypb.Empty{})
			if got := status.Convert(err); got.Code() != codes.FailedPrecondition || len(got.Details()) != 1 {
				t.Errorf("call %d with details of %d bytes = %.200v, want FAILED_PRECONDITION and the details", i, size, err)
				break
			}
		}
	}
	end()
	p.expectNoEjection(t)
	if got := p.counter(t, "cluster.probe.upstream_rq_retry"); got != 0 {
		t.Errorf("calls were repeated %d times, want none", got)
	}
}

// TestTooLargeErrors makes backends answer errors that exceed Envoy's limit for a header. Each
// error costs only its own call.
func TestTooLargeErrors(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	end := p.largeErrors(t)
	connection := p.dial(t)
	for range 3 {
		if err := connection.Invoke(callContext(t), count, wrapperspb.Int32(400<<10), &emptypb.Empty{}); status.Code(err) != codes.Unavailable {
			t.Errorf("a call with an error of 400 KiB = %.200v, want UNAVAILABLE", err)
		}
	}
	end()
}

// largeErrors has backends answer with details of the size that they are asked for, and begins a
// stream of another client to each. The function that it returns ends these streams, and checks
// that each ends with OK.
func (p *pods) largeErrors(t *testing.T) (end func()) {
	t.Helper()
	release, neighbours := make(chan struct{}), make(chan error)
	for _, b := range p.backends {
		b.answer(func(stream grpc.ServerStream) error {
			if method, _ := grpc.MethodFromServerStream(stream); method == ticks {
				<-release
				return nil
			}
			var size wrapperspb.Int32Value
			if err := stream.RecvMsg(&size); err != nil {
				return err
			}
			failure, err := status.New(codes.FailedPrecondition, "no").WithDetails(&errdetails.DebugInfo{Detail: strings.Repeat("d", int(size.Value))})
			if err != nil {
				return err
			}
			return failure.Err()
		})
	}
	for range p.backends {
		connection := p.dial(t)
		go func() { neighbours <- callTicks(t.Context(), connection) }()
	}
	p.stat(t, callLimit, "cluster.probe.upstream_rq_active", int64(len(p.backends)))
	return func() {
		t.Helper()
		close(release)
		for range p.backends {
			if err := <-neighbours; err != nil {
				t.Errorf("another client's stream = %v, want OK", err)
			}
		}
	}
}

// TestClientsAreRefusedBeforeTranslation has clients that may not call, or call too often, send what the
// transcoder of REST would wait for, or answer itself.
func TestClientsAreRefusedBeforeTranslation(t *testing.T) {
	t.Parallel()
	denied := startUsers(t, func(c *envoy.Config) { c.DeniedClients = ranges("127.0.0.0/8") })
	for _, h2 := range []bool{true, false} {
		body, never := io.Pipe()
		response, text := denied.rest(t, h2, http.MethodPost, "/v1/users/7", body)
		if response.StatusCode != http.StatusForbidden || !strings.Contains(text, `"code":7`) {
			t.Errorf("a denied client that sends a body without end gets %d %s, want 403 and code 7", response.StatusCode, text)
		}
		_ = never.Close()
	}
	if entry := denied.logged(t, `"grpc_status":"PERMISSION_DENIED"`); entry["method"] != "/v1/users/7" || entry["route"] != "rest" {
		t.Errorf("the log of a denied client has method %v and route %v, want the path and rest", entry["method"], entry["route"])
	}
	for _, request := range []struct{ method, path, body string }{
		{http.MethodPost, "/v1/users/7", "{"}, // no JSON
		{http.MethodGet, "/v1/users/seven", ""},
		{http.MethodGet, "/v1/nothing", ""},
	} {
		limited := startUsers(t, func(c *envoy.Config) { c.ClientRate = envoy.Rate{PerSecond: 1, Burst: 10} })
		refused := 0
		for range 30 {
			var body io.Reader
			if request.body != "" {
				body = strings.NewReader(request.body)
			}
			if response, _ := limited.rest(t, true, request.method, request.path, body); response.StatusCode == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused < 10 {
			t.Errorf("of 30 requests %s %s %s, %d got 429, want all but those in the bucket", request.method, request.path, request.body, refused)
		}
	}
}
