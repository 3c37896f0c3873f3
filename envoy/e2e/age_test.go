package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestConnectionAge has a client reconnect every second or so, under load. A
// stream on the first connection lasts longer than its age and the 5 seconds of
// Envoy's drain_timeout, after which a connection without calls is closed.
func TestConnectionAge(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.MaxConnectionAge = time.Second
	e := start(t, config)
	client := e.dial(t)
	stream := openStream(t, backend, client, 8*time.Second)
	calls := startCallers(t, client)
	expectEnd(t, stream)
	calls.stop()
	_, stats, err := get(http.MethodGet, e.adminURL("/stats?filter=^http.https.downstream_cx_total$"))
	if err != nil {
		t.Fatal(err)
	}
	_, value, _ := strings.Cut(strings.TrimSpace(stats), ": ")
	if connections, err := strconv.Atoi(value); err != nil || connections < 4 {
		t.Errorf("in 8 seconds the client had %q connections (%v), want 4 or more", value, err)
	}
	if calls.made.Load() < 100 {
		t.Error(fmt.Sprint("only ", calls.made.Load(), " calls were made: this test proved little"))
	}
}

// TestConnectionAgeOfHTTP1 has a client of HTTP/1.1 use its connection after its age and the 5 seconds of
// drain_timeout: that may not cost it the call.
func TestConnectionAgeOfHTTP1(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.MaxConnectionAge = time.Second
	e := start(t, config)
	connection := e.connect(t, "http/1.1")
	answers := bufio.NewReader(connection)
	for i, wantLast := range []bool{false, true} {
		if i > 0 {
			time.Sleep(8 * time.Second)
		}
		request := e.request(t, count, func(r *http.Request) { asWeb(r, "application/grpc-web+proto") })
		if err := request.Write(connection); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answers, request)
		if err != nil {
			t.Fatalf("request %d: %v", i+1, err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Close != wantLast {
			t.Errorf("request %d: status %d and the last of its connection: %v, want 200 and %v", i+1, response.StatusCode, response.Close, wantLast)
		}
	}
}

// TestConnectionsMayGrowOld keeps a client connected.
func TestConnectionsMayGrowOld(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	client := e.dial(t)
	for range 20 {
		if err := callCount(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	e.stat(t, callLimit, "http.https.downstream_cx_total", 1)
}
