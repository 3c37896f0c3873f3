package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// TestStreamsAreNotCut holds one stream that talks and one that is silent for
// longer than Envoy's default timeout, both at once.
func TestStreamsAreNotCut(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	connection := start(t, config).dial(t)
	ctx, cancel := context.WithTimeout(t.Context(), longStream+callLimit)
	defer cancel()
	open := func(method string) grpc.ClientStream {
		stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		return stream
	}
	began := time.Now()
	for _, stream := range []struct {
		method string
		grpc.ClientStream
		messages int
	}{
		{ticks, open(ticks), int(longStream / time.Second)},
		{silence, open(silence), 1},
	} {
		received := 0
		err := stream.RecvMsg(&emptypb.Empty{})
		for ; err == nil; err = stream.RecvMsg(&emptypb.Empty{}) {
			received++
		}
		if !errors.Is(err, io.EOF) || received != stream.messages {
			t.Errorf("%s ended after %v with %d messages and %v, want %d and EOF",
				stream.method, time.Since(began), received, err, stream.messages)
		}
	}
}

// TestGRPCTimeoutIsHonoured has neither the client nor the backend keep the
// deadline, so that only Envoy can. A gRPC backend would reset the call.
func TestGRPCTimeoutIsHonoured(t *testing.T) {
	t.Parallel()
	e := start(t, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // Envoy gave up, or the server is closed
	}))
	request, err := http.NewRequestWithContext(callContext(t), http.MethodPost, "https://"+e.address()+"/test.Probe/Hang", strings.NewReader(emptyMessage))
	if err != nil {
		t.Fatal(err)
	}
	const deadline, timerSlack = 500 * time.Millisecond, 50 * time.Millisecond
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	request.Header.Set("Grpc-Timeout", "500m")
	began := time.Now()
	response, err := e.browser(t, true).Do(request)
	if err != nil {
		t.Fatalf("no answer after %v: %v", time.Since(began), err)
	}
	defer func() { _ = response.Body.Close() }()
	took := time.Since(began)
	if got := response.Header.Get("Grpc-Status"); got != "4" || took < deadline-timerSlack {
		t.Errorf("a call with grpc-timeout %v ended after %v with grpc-status %q, want 4 (DEADLINE_EXCEEDED)", deadline, took, got)
	}
}
