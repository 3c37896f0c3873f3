package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// filler makes a header field of n bytes.
func filler(name string, n int) hpack.HeaderField {
	return hpack.HeaderField{Name: name, Value: strings.Repeat("x", n)}
}

func many(n int) []hpack.HeaderField {
	var fields []hpack.HeaderField
	for i := range n {
		fields = append(fields, hpack.HeaderField{Name: fmt.Sprintf("x-%d", i), Value: "v"})
	}
	return fields
}

// The results of a stream that Envoy has reset. A gRPC client reports the first as
// INTERNAL.
const (
	reset   = "RST_STREAM INTERNAL_ERROR"
	invalid = "RST_STREAM PROTOCOL_ERROR"
)

// abuse describes what one client does, what happens to it, and where Envoy counts it.
type abuse struct {
	name          string
	send          func(f *frames) error
	want, counter string
}

// whole sends all of a call.
func whole(fields []hpack.HeaderField) func(f *frames) error {
	return func(f *frames) error {
		if err := f.open(1, fields); err != nil {
			return err
		}
		return f.WriteData(1, true, []byte(emptyMessage))
	}
}

func field(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }

// badCalls lists streams that are not valid calls.
var badCalls = []abuse{
	{"large header", whole(call(count, filler("x-large", 17<<10))), reset, "http2.header_list_size_too_large"},
	{"large headers", whole(call(count, filler("x-a", 9<<10), filler("x-b", 9<<10))), reset, "http2.header_list_size_too_large"},
	{"many headers", whole(call(count, many(101)...)), reset, "http2.header_overflow"},
	{"underscore", whole(call(count, field("x_user", "root"))), ":status 200 grpc-status 0", "http2.dropped_headers_with_underscores"},
	{"escaped slash", whole(call("/test.Probe%2fCount")), ":status 200 grpc-status 12", "http.https.no_route"},
	{"unknown service", whole(call("/api.Nope/Nope")), ":status 200 grpc-status 12", "http.https.no_route"},
	{"unknown method", whole(call("/test.Probe/Nope")), ":status 200 grpc-status 12", "cluster.probe.upstream_rq_total"},
	{"wrong content-type", whole(append(call(count)[:4], field("content-type", "text/plain"))), ":status 415 grpc-status 3", "http.https.downstream_rq_4xx"},
	{"path twice", whole(call(count, field(":path", headers))), invalid, "http2.rx_messaging_error"},
	{"no path", whole(call(count)[:3]), invalid, "http2.rx_messaging_error"},
	{"upper case", whole(call(count, field("X-User", "root"))), invalid, "http2.rx_messaging_error"},
	{"content-length lies", whole(call(count, field("content-length", "1"))), invalid, "http2.tx_reset"},
	{"connect", func(f *frames) error {
		return f.open(1, []hpack.HeaderField{field(":method", "CONNECT"), field(":authority", serverName)})
	}, ":status 404", "http.https.no_route"},
	{"websocket", func(f *frames) error {
		return f.open(1, append(call(count)[1:4], field(":method", "CONNECT"), field(":protocol", "websocket")))
	}, invalid, "http2.rx_messaging_error"},
	{"trailers", func(f *frames) error {
		if err := f.open(1, call(count)); err != nil {
			return err
		}
		if err := f.WriteData(1, false, []byte(emptyMessage)); err != nil {
			return err
		}
		trailers := f.encode([]hpack.HeaderField{field("grpc-status", "0"), field("x-envoy-internal", "true")})
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: trailers, EndHeaders: true, EndStream: true})
	}, ":status 200 grpc-status 0", "http2.trailers"},
}

// badFrames break the rules of HTTP/2, or keep to them and are a flood.
var badFrames = []abuse{
	{"garbage HPACK", func(f *frames) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("\xff\xff\xff\xff\xff\xff"), EndHeaders: true})
	}, "GOAWAY COMPRESSION_ERROR", protocolError},
	{"even stream", func(f *frames) error { return f.open(2, call(count)) }, "closed", protocolError},
	{"data on no stream", func(f *frames) error { return f.WriteData(1, true, []byte(emptyMessage)) }, "GOAWAY PROTOCOL_ERROR", protocolError},
	{"frame too large", func(f *frames) error {
		if err := f.open(1, call(count)); err != nil {
			return err
		}
		return f.WriteData(1, true, make([]byte, 20<<10))
	}, "GOAWAY FRAME_SIZE_ERROR", protocolError},
	{"truncated frame", func(f *frames) error {
		if err := f.open(1, call(count)); err != nil {
			return err
		}
		_, err := f.connection.Write([]byte("\x00\x40\x00\x00\x00\x00\x00\x00\x01half"))
		_ = f.connection.(*tls.Conn).CloseWrite()
		return err
	}, "closed", "http.https.downstream_cx_destroy_remote_active_rq"},
	{"header bomb", func(f *frames) error {
		block := f.encode(append(call(count), filler("x-bomb", 3900)))
		for range 3000 {
			block = append(block, 0x80|62) // the newest entry of the dynamic table, again
		}
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
	}, reset, "http2.header_list_size_too_large"},
	{"continuations", func(f *frames) error { return f.continuations(f.encode([]hpack.HeaderField{filler("x-more", 1000)})) },
		reset, "http2.header_list_size_too_large"},
	{"empty continuations", func(f *frames) error { return f.continuations(nil) }, "closed", "http2.inbound_empty_frames_flood"},
	{"empty data", func(f *frames) error {
		if err := f.open(1, call(count)); err != nil {
			return err
		}
		return f.flood(100, http2.FrameData, 1, nil)
	}, "closed", "http2.inbound_empty_frames_flood"},
	{"priorities", func(f *frames) error { return f.flood(1000, http2.FramePriority, 1, []byte{0, 0, 0, 3, 0}) },
		"closed", "http2.inbound_priority_frames_flood"},
	{"window updates", func(f *frames) error { return f.flood(1000, http2.FrameWindowUpdate, 0, []byte{0, 0, 0, 1}) },
		"closed", "http2.inbound_window_update_frames_flood"},
	{"window overflow", func(f *frames) error { return f.WriteWindowUpdate(0, 1<<31-1) }, "closed", protocolError},
	// It takes so many because the kernel buffers the first answers, which nobody reads.
	{"pings", func(f *frames) error { return f.flood(1_000_000, http2.FramePing, 0, make([]byte, 8)) },
		"closed", "http2.outbound_control_flood"},
	{"settings", func(f *frames) error { return f.flood(1_000_000, http2.FrameSettings, 0, nil) },
		"closed", "http2.outbound_control_flood"},
	{"rapid reset", func(f *frames) error {
		for i := range uint32(2000) {
			if f.open(2*i+1, call(silence)) != nil || f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
				return nil // it was closed
			}
		}
		return nil
	}, "closed", "http.https.downstream_rq_too_many_premature_resets"},
}

const protocolError = "http.https.downstream_cx_protocol_error"

// TestAbuse subjects one Envoy to all abuses at once, each on a connection of its own,
// while another client calls.
func TestAbuse(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	neighbour := e.dial(t)
	var wait sync.WaitGroup
	counted := map[string]int64{}
	for _, abuse := range slices.Concat(badCalls, badFrames) {
		counted[abuse.counter]++
		f := e.frames(t)
		wait.Go(func() {
			if err := abuse.send(f); err != nil {
				t.Errorf("%s: %v", abuse.name, err)
			}
			got, err := f.ended(1)
			if err != nil || got != abuse.want {
				t.Errorf("%s: %q, %v, want %q", abuse.name, got, err, abuse.want)
			}
			f.connection.Close()
			if err := callCount(t.Context(), neighbour); err != nil {
				t.Errorf("the call of another client after %s: %v", abuse.name, err)
			}
		})
	}
	wait.Wait()
	for counter, want := range counted {
		eventually(t, callLimit, func() error {
			if got := e.counter(t, counter); got < want {
				return fmt.Errorf("%s is %d, want %d at least", counter, got, want)
			}
			return nil
		})
	}
	for _, gauge := range []string{"http2.streams_active", "http2.outbound_frames_active", "cluster.probe.upstream_rq_active"} {
		eventually(t, callLimit, func() error {
			if got := e.counter(t, gauge); got != 0 {
				return fmt.Errorf("%s is %d", gauge, got)
			}
			return nil
		})
	}
	if got := e.counter(t, "cluster.probe.upstream_cx_destroy_remote_with_active_rq"); got != 0 {
		t.Errorf("the backend closed %d connections with calls on them", got)
	}
}

// continuations sends CONTINUATION frames of a header block that never ends.
func (f *frames) continuations(block []byte) error {
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.encode(call(count))}); err != nil {
		return err
	}
	return f.flood(1000, http2.FrameContinuation, 1, block)
}

// flood sends n frames, fewer if the server has enough of them, and reads none of
// the answers.
func (f *frames) flood(n int, kind http2.FrameType, stream uint32, payload []byte) error {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	frame = append(frame, 0) // flags
	frame = append(binary.BigEndian.AppendUint32(frame, stream), payload...)
	for ; n > 0; n -= 100 {
		if _, err := f.connection.Write(bytes.Repeat(frame, 100)); err != nil {
			return nil
		}
	}
	return nil
}

// TestBadHTTP1 writes data that is not HTTP/2 to the port, over TLS unless plain is set.
func TestBadHTTP1(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	e := start(t, config)
	listener := fmt.Sprintf("listener.0.0.0.0_%d.", e.config.HTTPSPort)
	for name, test := range map[string]struct {
		plain   bool
		text    string
		want    int // of HTTP, 0 for a closed connection
		counter string
	}{
		"garbage":           {false, "\x00\x01\x02 nonsense\r\n\r\n", 400, "http.https.downstream_cx_protocol_error"},
		"HTTP/1.0":          {false, "POST /test.Probe/Count HTTP/1.0\r\nHost: x\r\n\r\n", 426, "http.https.downstream_rq_4xx"},
		"no host":           {false, "POST /test.Probe/Count HTTP/1.1\r\n\r\n", 400, "http.https.downstream_rq_4xx"},
		"CONNECT":           {false, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 404, "http.https.no_route"},
		"websocket":         {false, "GET /test.Probe/Count HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 403, "http.https.downstream_rq_ws_on_non_ws_route"},
		"two lengths":       {false, "POST /test.Probe/Count HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "http.https.downstream_cx_protocol_error"},
		"large headers":     {false, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", 431, "http.https.downstream_cx_protocol_error"},
		"many headers":      {false, "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Many: x\r\n", 101) + "\r\n", 431, "http.https.downstream_cx_protocol_error"},
		"HTTP without TLS":  {true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, listener + "ssl.connection_error"},
		"h2 without TLS":    {true, http2.ClientPreface, 0, listener + "ssl.connection_error"},
		"truncated preface": {false, http2.ClientPreface[:10] + "\r\n\r\n\r\n\r\n", 400, "http.https.downstream_cx_protocol_error"},
	} {
		var connection net.Conn = e.connect(t, "http/1.1")
		if test.plain {
			plain, err := dialFrom(t.Context(), "127.0.0.1", e.address())
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			_ = plain.SetDeadline(time.Now().Add(callLimit))
			connection = plain
		}
		if _, err := connection.Write([]byte(test.text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := 0
		if response, err := http.ReadResponse(bufio.NewReader(connection), nil); err == nil {
			got = response.StatusCode
			_ = response.Body.Close()
		}
		if got != test.want {
			t.Errorf("%s was answered with %d, want %d", name, got, test.want)
		}
		eventually(t, callLimit, func() error {
			if e.counter(t, test.counter) == 0 {
				return fmt.Errorf("%s: %s is 0", name, test.counter)
			}
			return nil
		})
		if err := callCount(t.Context(), e.dial(t)); err != nil {
			t.Errorf("a call after %s: %v", name, err)
		}
	}
	if got := backend.calls.Load(); got != 11 {
		t.Errorf("the backend got %d calls, want 11", got)
	}
}

// TestOversizedMessage sends a message above the limit of grpc-go's servers, 4 MB. Envoy
// passes messages on as they come and has no limit of its own.
func TestOversizedMessage(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	connection := e.dial(t)
	message := wrapperspb.String(strings.Repeat("x", 5<<20))
	if err := connection.Invoke(callContext(t), count, message, &emptypb.Empty{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of 5 MB: %v, want RESOURCE_EXHAUSTED", err)
	}
	if err := callCount(t.Context(), connection); err != nil {
		t.Error(err)
	}
}

// TestConnectionsTakeTurns sends all calls of one connection at once, and resets each
// of them. A call that is reset before its turn costs the backend nothing.
func TestConnectionsTakeTurns(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	f := e.frames(t)
	if err := whole(call(count))(f); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ended(1); err != nil || got != ":status 200 grpc-status 0" { // now the way to the backend is open
		t.Fatal(got, err)
	}
	var all bytes.Buffer
	f.Framer = http2.NewFramer(&all, f.connection)
	const calls = 90
	for i := range uint32(calls) {
		if f.open(2*i+3, call(silence)) != nil || f.WriteRSTStream(2*i+3, http2.ErrCodeCancel) != nil {
			t.Fatal("writing to memory")
		}
	}
	if _, err := f.connection.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	eventually(t, callLimit, func() error {
		if got := e.counter(t, "http.https.downstream_rq_rx_reset"); got < calls {
			return fmt.Errorf("%d of %d calls were taken back", got, calls)
		}
		return nil
	})
	if got := e.counter(t, "cluster.probe.upstream_rq_total"); got > calls/2 {
		t.Errorf("%d of %d calls reached the backend", got, calls)
	}
}
