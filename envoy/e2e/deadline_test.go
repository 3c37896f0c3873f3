package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
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

// callRaw makes a call as a client that does not keep its own deadline, and returns the headers of
// the answer and how long it took.
func callRaw(t *testing.T, e *edge, method, timeout string) (http.Header, time.Duration) {
	t.Helper()
	emptyMessage := strings.NewReader("\x00\x00\x00\x00\x00")
	request, err := http.NewRequestWithContext(callContext(t), http.MethodPost, "https://"+e.address()+method, emptyMessage)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	if timeout != "" {
		request.Header.Set("Grpc-Timeout", timeout)
	}
	began := time.Now()
	response, err := e.browser(t, true).Do(request)
	if err != nil {
		t.Fatalf("no answer after %v: %v", time.Since(began), err)
	}
	_ = response.Body.Close()
	return response.Header, time.Since(began)
}

// timerSlack is the time by which a timer may fire early.
const timerSlack = 50 * time.Millisecond

// TestGRPCTimeoutIsHonoured has neither the client nor the backend keep the
// deadline, so that only Envoy can. A gRPC backend would reset the call.
func TestGRPCTimeoutIsHonoured(t *testing.T) {
	t.Parallel()
	e := start(t, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // Envoy gave up, or the server is closed
	}))
	const deadline = 500 * time.Millisecond
	header, took := callRaw(t, e, "/test.Probe/Hang", "500m")
	if got := header.Get("Grpc-Status"); got != "4" || took < deadline-timerSlack {
		t.Errorf("a call with grpc-timeout %v ended after %v with grpc-status %q, want 4 (DEADLINE_EXCEEDED)", deadline, took, got)
	}
}

// TestDeadlineIsCapped asks for more time than allowed, at a backend that hangs, and
// checks the deadline that the backend gets.
func TestDeadlineIsCapped(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	config := httpBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Grpc-Timeout") != "" {
			t.Error("the backend received grpc-timeout, which its gRPC library would act on")
		}
		told <- r.Header.Get(envoy.DeadlineHeader)
		<-r.Context().Done()
	})
	config.MaxDeadline = time.Second
	e := start(t, config)
	for _, test := range []struct {
		timeout, told string
		lasts         time.Duration
	}{
		{"10S", "995m", config.MaxDeadline},
		{"1001m", "995m", config.MaxDeadline},
		{"99999999H", "995m", config.MaxDeadline},
		{"500000u", "495m", 500 * time.Millisecond},
		{"4m", "0m", 0},
	} {
		for _, method := range []string{count, headers} { // on routes of the service and of the method
			header, took := callRaw(t, e, method, test.timeout)
			if got := header.Get("Grpc-Status"); got != "4" || took < test.lasts-timerSlack {
				t.Errorf("%s with grpc-timeout %s ended after %v with grpc-status %q, want 4 (DEADLINE_EXCEEDED) after %v",
					method, test.timeout, took, got, test.lasts)
			}
			if got := <-told; got != test.told {
				t.Errorf("%s with grpc-timeout %s told the backend %s, want %s", method, test.timeout, got, test.told)
			}
		}
	}
}

// TestNoDeadlineIsNoCap checks that a call without a deadline may take longer than the limit for
// deadlines.
func TestNoDeadlineIsNoCap(t *testing.T) {
	t.Parallel()
	const limit = 200 * time.Millisecond
	config := httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * limit)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set("Grpc-Message", "told:"+r.Header.Get(envoy.DeadlineHeader))
	})
	config.MaxDeadline = limit
	header, took := callRaw(t, start(t, config), count, "")
	if header.Get("Grpc-Status") != "0" || header.Get("Grpc-Message") != "told:" {
		t.Errorf("a call without deadline ended after %v with %v, want OK and no deadline told", took, header)
	}
}

// TestDeadlineHoldsForAllTries has a call retried until its deadline, although each
// single try is in time.
func TestDeadlineHoldsForAllTries(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	config := httpBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		tries.Add(1)
		time.Sleep(400 * time.Millisecond)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "14")
	})
	config.MaxDeadline = time.Second
	header, took := callRaw(t, start(t, config), headers, "10S")
	if got := header.Get("Grpc-Status"); got != "4" || took < config.MaxDeadline-timerSlack {
		t.Errorf("the call ended after %v with grpc-status %q, want 4 (DEADLINE_EXCEEDED) after %v", took, got, config.MaxDeadline)
	}
	if got := tries.Load(); got < 2 {
		t.Errorf("the call was tried %d times: this test proved nothing", got)
	}
}

// TestDeadlineOfGRPCWeb checks the same deadline as gRPC's: no client has a timer here.
func TestDeadlineOfGRPCWeb(t *testing.T) {
	t.Parallel()
	e := start(t, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	e.awaitPods(t, "probe", 1)
	for _, contentType := range []string{"application/grpc-web+proto", "application/grpc-web-text", "application/grpc; charset=utf-8", "application/grpc+proto"} {
		got, err := e.raw(t, count, func(r *http.Request) {
			r.Header.Set("Grpc-Timeout", "50m")
			asWeb(r, contentType)
		})
		if err != nil || got.code != codes.DeadlineExceeded {
			t.Errorf("%s: %+v, %v, want DEADLINE_EXCEEDED", contentType, got, err)
		}
	}
}

// asWeb gives the request a content type, and the body that belongs to it.
func asWeb(r *http.Request, contentType string) {
	r.Header.Set("Content-Type", contentType)
	if contentType == "application/grpc-web-text" {
		text := base64.StdEncoding.EncodeToString([]byte(emptyMessage))
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

// TestDeadlineAfterHeaders makes a pod on the chassis, or one that behaves like it, end a
// stream with its status before the edge has to reset it.
func TestDeadlineAfterHeaders(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	backend.answer(func(stream grpc.ServerStream) error {
		received, _ := metadata.FromIncomingContext(stream.Context())
		timeout, err := time.ParseDuration(strings.Join(received.Get(envoy.DeadlineHeader), "") + "s")
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		time.Sleep(timeout / 2)
		return status.Error(codes.DeadlineExceeded, "as the chassis")
	})
	e := start(t, config)
	e.awaitPods(t, "probe", 1)
	for _, contentType := range []string{"application/grpc", "application/grpc-web+proto", "application/grpc-web-text"} {
		got, err := e.raw(t, ticks, func(r *http.Request) {
			r.Header.Set("Grpc-Timeout", "1S")
			asWeb(r, contentType)
		})
		if err != nil || got.code != codes.DeadlineExceeded {
			t.Errorf("%s: a stream whose deadline comes after its first message = %+v, %v, want DEADLINE_EXCEEDED", contentType, got, err)
		}
	}
}
