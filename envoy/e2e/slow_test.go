package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// TestSlowClients shortens each of Envoy's timeouts to a second.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config,
		`"request_headers_timeout": "10s"`, `"request_headers_timeout": "1s"`,
		`"transport_socket_connect_timeout": "10s"`, `"transport_socket_connect_timeout": "1s"`,
		`"stream_flush_timeout": "30s"`, `"stream_flush_timeout": "1s"`)
	listener := fmt.Sprintf("listener.0.0.0.0_%d.", e.config.HTTPSPort)
	for name, test := range map[string]struct {
		slow    func() (string, error)
		want    string // how the client ends
		counter string
	}{
		"handshake": {func() (string, error) {
			connection, err := net.Dial("tcp4", e.address())
			if err != nil {
				return "", err
			}
			defer connection.Close()
			_, err = connection.Write([]byte{22, 3, 1}) // of a hello
			if err != nil {
				return "", err
			}
			return untilClosed(connection)
		}, "", listener + "downstream_cx_transport_socket_connect_timeout"},
		"headers by HTTP/1.1": {func() (string, error) {
			connection := e.connect(t, "http/1.1")
			if _, err := connection.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")); err != nil {
				return "", err
			}
			return untilClosed(connection)
		}, "HTTP/1.1 408 Request Timeout", "http.https.downstream_rq_header_timeout"},
		"headers by HTTP/2": {func() (string, error) {
			f := e.frames(t)
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.encode(call(count))}); err != nil {
				return "", err
			}
			return f.ended(1)
		}, ":status 408", "http.https.downstream_rq_header_timeout"},
		"reader": {func() (string, error) {
			f := e.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			if err := whole(call(headers))(f); err != nil {
				return "", err
			}
			return f.ended(1)
		}, ":status 200 RST_STREAM INTERNAL_ERROR", "http2.tx_flush_timeout"},
	} {
		got, err := test.slow()
		if line, _, _ := strings.Cut(got, "\r\n"); err != nil || line != test.want {
			t.Errorf("slow %s: %q, %v, want %q", name, line, err, test.want)
		}
		// Envoy may close the connection before it counts that.
		eventually(t, callLimit, func() error {
			if e.counter(t, test.counter) == 0 {
				return fmt.Errorf("slow %s: %s is 0", name, test.counter)
			}
			return nil
		})
		if err := callCount(t.Context(), e.dial(t)); err != nil {
			t.Errorf("a call after a slow %s: %v", name, err)
		}
	}
}

// TestStalledBodyEnds sends half of a request that is to be translated, with Envoy's timeout of a second.
func TestStalledBodyEnds(t *testing.T) {
	t.Parallel()
	config := envoy.Config{REST: true, Backends: []envoy.Backend{{Name: "library", Address: "localhost", Port: freePort(t), Services: prototest.Services(t, libraryProto)}}}
	e := start(t, config, `"idle_timeout": "300s"`, `"idle_timeout": "1s"`)
	f := e.frames(t)
	if err := f.open(1, append(call("/v1/shelves/a/books")[:4], field("content-type", "application/json"))); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteData(1, false, []byte(`{"`)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ended(1); err != nil || !strings.HasPrefix(got, ":status 408") {
		t.Errorf("half a body ends with %q, %v, want 408", got, err)
	}
}

// TestSlowReadersStallNobody has clients leave many replies unread. They share connections from the pod
// with the replies of others.
func TestSlowReadersStallNobody(t *testing.T) {
	t.Parallel()
	config, b := oneBackend(t)
	b.answer(func(stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method != ticks {
			return stream.SendMsg(&emptypb.Empty{})
		}
		return stream.SendMsg(wrapperspb.Bytes(make([]byte, 1<<20)))
	})
	e := start(t, config)
	// Together they are fewer than Envoy puts on one connection to a pod.
	const connections, each = 4, 24
	for range connections {
		slow := e.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for i := range each {
			stream := uint32(2*i + 1)
			if err := slow.open(stream, call(ticks)); err != nil {
				t.Fatal(err)
			}
			if err := slow.WriteData(stream, true, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, callLimit, func() error {
		if got := e.counter(t, "cluster.probe.upstream_flow_control_paused_reading_total"); got < connections*each {
			return fmt.Errorf("%d replies are held up, want %d", got, connections*each)
		}
		return nil
	})
	for i := range 8 { // on connections that Envoy's workers share out
		if err := callCount(t.Context(), e.dial(t)); err != nil {
			t.Errorf("call %d beside replies that nobody reads: %v", i+1, err)
		}
	}
	if got := e.counter(t, "cluster.probe.upstream_cx_total"); got > int64(runtime.NumCPU()) {
		t.Errorf("Envoy has made %d connections to the pod, want at most one a worker: then nothing was shared", got)
	}
}

// TestClientsAreProbed looks for TCP's probes on connections from clients: one of HTTP/1.1 that has
// vanished is detected by nothing else.
func TestClientsAreProbed(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	connection := e.connect(t, "http/1.1")
	e.expectProbes(t, uint32(connection.LocalAddr().(*net.TCPAddr).Port))
}

// untilClosed returns what comes before the end of the connection.
func untilClosed(connection net.Conn) (string, error) {
	_ = connection.SetReadDeadline(time.Now().Add(callLimit))
	text, err := io.ReadAll(connection)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return string(text), err
}

// TestExpiredDeadline has a backend that leaves deadlines to Envoy.
func TestExpiredDeadline(t *testing.T) {
	t.Parallel()
	e := start(t, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	for _, timeout := range []string{"1n", "1u", "1m"} {
		got, err := e.raw(t, count, func(r *http.Request) { r.Header.Set("Grpc-Timeout", timeout) })
		if err != nil || got.code != codes.DeadlineExceeded {
			t.Errorf("a call with grpc-timeout %s: %v, %v, want DEADLINE_EXCEEDED", timeout, got.code, err)
		}
	}
	if got := e.counter(t, "http.https.downstream_rq_max_duration_reached"); got != 3 {
		t.Errorf("%d calls were counted as expired, want 3", got)
	}
}

// TestIdleConnections holds 10,000 of them while another client calls.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	const connections = 10_000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if files.Cur < connections+1000 {
		t.Fatalf("this test opens %d connections and may have %d open files (ulimit -Hn)", connections, files.Max)
	}
	config, _ := oneBackend(t)
	e := start(t, config)
	neighbour := e.dial(t)
	if err := callCount(t.Context(), neighbour); err != nil {
		t.Fatal(err)
	}
	client := e.ca.client()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1) // a handshake costs less the second time
	held := make(chan net.Conn, connections)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			for range connections / 20 {
				connection, err := (&tls.Dialer{Config: client}).DialContext(context.Background(), "tcp4", e.address())
				if err != nil {
					t.Errorf("after %d connections: %v", len(held), err)
					return
				}
				held <- connection
			}
		})
	}
	wait.Wait()
	const gauge = "http.https.downstream_cx_active"
	if got := e.counter(t, gauge); got < connections {
		t.Errorf("%d connections are open, want %d", got, connections)
	}
	for range 100 {
		if err := callCount(t.Context(), neighbour); err != nil {
			t.Fatalf("a call beside %d idle connections: %v", connections, err)
		}
	}
	close(held)
	for connection := range held {
		_ = connection.(*tls.Conn).NetConn().Close()
	}
	eventually(t, startLimit, func() error {
		if got := e.counter(t, gauge); got > 1 {
			return fmt.Errorf("%d connections are still open", got)
		}
		return nil
	})
}
