package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
)

// startShort runs Envoy with a heap that fills up as the test sets it, so that each
// step can be seen: Envoy reads a file instead of the heap's size.
func startShort(t *testing.T, config envoy.Config) (e *edge, set func(share string)) {
	t.Helper()
	pressure := filepath.Join(t.TempDir(), "pressure")
	set = func(share string) { // by a rename, as Envoy watches for one
		t.Helper()
		writeFile(t, pressure+".new", []byte(share))
		if err := os.Rename(pressure+".new", pressure); err != nil {
			t.Fatal(err)
		}
	}
	set("0.5")
	config.MemoryLimit = 100 << 20
	return start(t, config,
		"fixed_heap.v3.FixedHeapConfig", "injected_resource.v3.InjectedResourceConfig",
		fmt.Sprintf("\"max_heap_size_bytes\": %q", fmt.Sprint(80<<20)), fmt.Sprintf("\"filename\": %q", pressure)), set
}

func TestMemoryIsShort(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e, set := startShort(t, config)
	idle := e.connect(t, "http/1.1")
	connection := e.dial(t)
	if err := callCount(t.Context(), connection); err != nil {
		t.Fatal(err)
	}
	stream, err := connection.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, ticks)
	if err == nil {
		err = stream.SendMsg(&emptypb.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}

	active := func(action string) int64 { return e.counter(t, "overload.envoy.overload_actions."+action+".active") }
	expect := func(share, action string) {
		t.Helper()
		set(share)
		eventually(t, callLimit, func() error {
			if active(action) == 0 {
				return fmt.Errorf("%s is not active at %s", action, share)
			}
			return nil
		})
	}
	expect("0.86", "shrink_heap")
	if err := callCount(t.Context(), connection); err != nil {
		t.Errorf("a call at 0.86: %v", err)
	}
	set("0.949")
	connections := e.counter(t, "http.https.downstream_cx_total")
	for range 100 {
		if err := callCount(t.Context(), connection); err != nil {
			t.Errorf("a call at 0.949: %v", err)
		}
	}
	if more := e.counter(t, "http.https.downstream_cx_total") - connections; more > 0 {
		t.Errorf("100 calls at 0.949 took %d new connections, want none", more)
	}
	expect("0.96", "stop_accepting_requests")
	if err := callCount(t.Context(), connection); status.Code(err) != codes.Unavailable {
		t.Errorf("a call at 0.96: %v, want UNAVAILABLE", err)
	}
	if got, err := e.raw(t, count, web); err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("a request at 0.96: %d, %v, want 503", got.status, err)
	}
	if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
		t.Errorf("a stream from before: %v", err)
	}
	if got, err := untilClosed(idle); err != nil || got != "" {
		t.Errorf("an idle connection: %q, %v, want it closed long before its hour", got, err)
	}
	expect("0.99", "reject_incoming_connections")
	if other, err := tls.Dial("tcp4", e.address(), e.ca.client()); err == nil {
		_ = other.Close()
		t.Error("a new connection was taken at 0.99")
	}
	for _, url := range []string{e.readyURL(), e.metricsURL()} {
		if err := expectStatus(url, http.StatusOK); err != nil {
			t.Errorf("at 0.99: %v", err)
		}
	}
	for _, counter := range []string{"http.https.downstream_rq_overload_close", "listener.0.0.0.0_" + fmt.Sprint(e.config.HTTPSPort) + ".downstream_cx_overload_reject"} {
		if e.counter(t, counter) == 0 {
			t.Errorf("%s is 0", counter)
		}
	}
	set("0.1")
	eventually(t, callLimit, func() error { return callCount(t.Context(), connection) })
}

// TestStreamsThatHoldMemory has a client that does not read what it asked for.
func TestStreamsThatHoldMemory(t *testing.T) {
	t.Parallel()
	e, set := startShort(t, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}))
	f := e.frames(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	if err := whole(call(count))(f); err != nil {
		t.Fatal(err)
	}
	eventually(t, callLimit, func() error { // until Envoy takes no more of it
		if e.counter(t, "cluster.probe.upstream_flow_control_paused_reading_total") == 0 {
			return errors.New("Envoy goes on reading")
		}
		return nil
	})
	set("0.949")
	if got, err := f.ended(1); err != nil || !strings.Contains(got, "RST_STREAM") {
		t.Errorf("a stream that holds memory when that is short: %q, %v, want it reset", got, err)
	}
	if err := expectStatus(e.readyURL(), http.StatusOK); err != nil {
		t.Error(err)
	}
}

// TestMemoryLimit sets a limit that Envoy exceeds before the first call.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.MemoryLimit = 1 << 20
	e := start(t, config)
	connection := e.dial(t)
	eventually(t, callLimit, func() error { // Envoy looks four times a second
		if err := callCount(t.Context(), connection); status.Code(err) != codes.Unavailable {
			return fmt.Errorf("a call: %w, want UNAVAILABLE", err)
		}
		return nil
	})
	if got := e.counter(t, "overload.envoy.resource_monitors.fixed_heap.pressure"); got < 100 {
		t.Errorf("the pressure is %d percent", got)
	}
	if err := expectStatus(e.readyURL(), http.StatusOK); err != nil {
		t.Error(err)
	}
}
