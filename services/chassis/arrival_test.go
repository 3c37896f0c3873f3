package chassis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
)

const (
	unaryPath  = "/" + serviceName + "/UnaryCall"
	outputPath = "/" + serviceName + "/StreamingOutputCall" // of a server that streams
)

// sender is a client that sends requests in pieces.
type sender struct {
	t *testing.T
	*http2.Framer
	connection net.Conn
	next       uint32
}

// serveWith serves a service with these options until the test ends, and returns a sender with these
// settings and a common client of it.
func serveWith(t *testing.T, options []grpc.ServerOption, h handlers, settings ...http2.Setting) (*sender, grpc_testing.TestServiceClient) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	grpc_testing.RegisterTestServiceServer(server, h)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	s := &sender{t: t, Framer: http2.NewFramer(connection, connection), connection: connection, next: 1}
	fmt.Fprint(connection, http2.ClientPreface)
	if err := s.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return s, grpc_testing.NewTestServiceClient(conn)
}

// open begins a call from an address, and sends this much of its request.
func (s *sender) open(path, from string, part []byte, headers ...hpack.HeaderField) (stream uint32) {
	s.t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	if !slices.ContainsFunc(headers, func(h hpack.HeaderField) bool { return h.Name == "content-type" }) {
		headers = append(headers, hpack.HeaderField{Name: "content-type", Value: "application/grpc"})
	}
	for _, field := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "test"},
		{Name: "te", Value: "trailers"}, {Name: "x-forwarded-for", Value: from},
	}, headers...) {
		_ = encoder.WriteField(field) // to a buffer
	}
	stream = s.next
	s.next += 2
	if err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.WriteData(stream, false, part); err != nil {
		s.t.Fatal(err)
	}
	return stream
}

// status reads until a call ends, and returns which one and its gRPC status.
func (s *sender) status(decoder *hpack.Decoder) (stream uint32, status string) {
	s.t.Helper()
	for {
		frame, err := s.ReadFrame()
		if err != nil {
			s.t.Fatalf("reading until a call ends: %v", err)
		}
		headers, ok := frame.(*http2.HeadersFrame)
		if !ok {
			continue
		}
		fields, err := decoder.DecodeFull(headers.HeaderBlockFragment())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, field := range fields {
			if field.Name == "grpc-status" {
				return headers.StreamID, field.Value
			}
		}
	}
}

// of returns how many requests of a caller arrive.
func (c *callers) of(caller string) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.arriving[caller].requests()
}

// counted waits until so many requests count as slow.
func (a *arrivals) counted(t *testing.T, want int) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		a.slow.mutex.Lock()
		slow, callers := a.slow.held, len(a.slow.byCaller)
		a.slow.mutex.Unlock()
		if slow == want && (want > 0 || callers == 0) {
			return
		}
		if time.Since(begun) > timeout {
			t.Fatalf("%d requests of %d callers are slow, want %d", slow, callers, want)
		}
	}
}

// testArrivals returns limits with so many slow requests, where memory is not short.
func testArrivals(promptly, longest time.Duration, slow int) *arrivals {
	return &arrivals{
		log: slog.New(slog.DiscardHandler), look: time.Millisecond, longest: longest,
		slow: Shares{Most: slow}, memory: func() memory { return memory{} }, callers: callers{promptly: promptly},
	}
}

// TestManyRequestsAreCancelledWhileMemoryIsShort has three callers send half of each request: the
// first of many, the second of a few, and the third of a few more than the second. Only requests of
// the first are cancelled.
func TestManyRequestsAreCancelledWhileMemoryIsShort(t *testing.T) {
	t.Parallel()
	a := testArrivals(time.Hour, time.Hour, 1)
	var short atomic.Bool
	a.memory = func() memory {
		if short.Load() {
			return memory{memoryShort, time.Now()}
		}
		return memory{}
	}
	slow, client := serveWith(t, a.options(), handlers{})
	streams := map[uint32]string{}
	sent := map[string]int{"192.0.2.1": 6 * few, "192.0.2.2": few, "192.0.2.3": few + 2}
	for from, n := range sent {
		for range n {
			streams[slow.open(unaryPath, from, half)] = from
		}
	}
	for from, n := range sent {
		for a.callers.of(from) < n {
			time.Sleep(time.Millisecond)
		}
	}
	short.Store(true)
	decoder := hpack.NewDecoder(4096, nil)
	for range 2 * few {
		stream, status := slow.status(decoder)
		if status != "1" || streams[stream] != "192.0.2.1" {
			t.Fatalf("call %d of %s ends with status %s, want CANCELLED for the caller with many", stream, streams[stream], status)
		}
	}
	if _, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("a call that arrives at once = %v, want no error", err)
	}
}

// half is the beginning of a message of 16 bytes, and rest the end.
var half, rest = []byte{0, 0, 0, 0, 16, 0x12, 14}, append([]byte{0x12, 12}, "twelve bytes"...)

// TestSlowRequestsAreBounded has one caller send half of more requests than it may, and then
// another send half of more than are left. Its two addresses are of one network.
func TestSlowRequestsAreBounded(t *testing.T) {
	t.Parallel()
	a := testArrivals(20*time.Millisecond, time.Hour, 4)
	slow, client := serveWith(t, a.options(), handlers{})
	decoder := hpack.NewDecoder(4096, nil)
	open := map[uint32]bool{}
	for _, caller := range [][]string{{"192.0.2.1", "192.0.2.1", "192.0.2.1"}, {"2001:db8::1", "2001:db8:0:1::2"}} {
		for _, from := range caller {
			open[slow.open(unaryPath, from, half)] = true
		}
		stream, status := slow.status(decoder)
		if status != "1" || !open[stream] {
			t.Fatalf("a request too many ends with status %s, want CANCELLED", status)
		}
		delete(open, stream)
	}
	a.counted(t, 3)
	if _, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("a call beside requests that do not arrive = %v, want no error", err)
	}
	for stream := range open {
		if err := slow.WriteData(stream, true, rest); err != nil {
			t.Fatal(err)
		}
		if got, status := slow.status(decoder); got != stream || status != "0" {
			t.Errorf("the rest of request %d ends %d with status %s, want OK", stream, got, status)
		}
		break
	}
	a.counted(t, 2)
	_ = slow.connection.Close()
	a.counted(t, 0)
}

// TestRequestsThatNeverArriveEnd checks that a request which never arrives is cancelled, of a unary
// call and of a stream of replies.
func TestRequestsThatNeverArriveEnd(t *testing.T) {
	t.Parallel()
	for _, path := range []string{unaryPath, outputPath} {
		a := testArrivals(5*time.Millisecond, 50*time.Millisecond, 1)
		slow, _ := serveWith(t, a.options(), handlers{})
		slow.open(path, "192.0.2.1", half)
		if _, status := slow.status(hpack.NewDecoder(4096, nil)); status != "1" {
			t.Errorf("half a request of %s ends with status %s, want CANCELLED", path, status)
		}
		a.counted(t, 0)
	}
}

// TestHandlersMayBeSlow checks that only the time in which a request arrives counts: neither a slow
// handler nor a client's open stream is cancelled.
func TestHandlersMayBeSlow(t *testing.T) {
	t.Parallel()
	a := testArrivals(5*time.Millisecond, 10*time.Millisecond, 1)
	_, client := serveWith(t, a.options(), handlers{
		unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			time.Sleep(50 * time.Millisecond)
			return &grpc_testing.SimpleResponse{}, ctx.Err()
		},
		stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
			_, err := stream.Recv()
			return err
		},
	})
	stream, err := client.FullDuplexCall(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("a call whose handler is slow = %v, want no error", err)
	}
	if err := stream.Send(&grpc_testing.StreamingOutputCallRequest{}); err != nil {
		t.Errorf("a stream that its client held open = %v, want no error", err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("a stream that its client held open ends with %v, want no error", err)
	}
	a.counted(t, 0)
}
