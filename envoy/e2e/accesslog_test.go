package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

func TestAccessLog(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	connection := e.dial(t)
	var header metadata.MD
	if err := connection.Invoke(callContext(t), count, wrapperspb.String("hello"), &emptypb.Empty{}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	_ = connection.Invoke(callContext(t), "/api.Nope/Nope?secret", &emptypb.Empty{}, &emptypb.Empty{})

	host := fmt.Sprintf("127.0.0.1:%d", config.Backends[0].Port)
	for _, test := range []struct {
		method string
		want   map[string]any
	}{
		{count, map[string]any{
			"grpc_status": "OK", "http_status": 200.0, "protocol": "HTTP/2", "tls_version": "TLSv1.3",
			"route": probe, "upstream_cluster": "probe", "upstream_host": host, "attempts": 1.0,
			"bytes_received": 12.0, "bytes_sent": 5.0, "response_flags": "-",
			"request_id": header.Get("x-request-id")[0], "authority": serverName,
		}},
		{"/api.Nope/Nope", map[string]any{
			"grpc_status": "UNIMPLEMENTED", "upstream_host": nil, "response_flags": "NR", "response_details": "route_not_found",
		}},
	} {
		entry := e.logged(t, `"method":"`+test.method+`"`)
		for key, want := range test.want {
			if got := entry[key]; got != want {
				t.Errorf("the log of %s has %s %v, want %v", test.method, key, got, want)
			}
		}
		if deadline, _ := entry["deadline"].(string); !regexp.MustCompile(`^\d+[mun]$`).MatchString(deadline) {
			t.Errorf("the log of %s has deadline %v, want what gRPC sent", test.method, entry["deadline"])
		}
		if _, ok := entry["duration_ms"].(float64); !ok {
			t.Errorf("the log of %s has duration_ms %v, want a number", test.method, entry["duration_ms"])
		}
		if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(entry["time"])); err != nil {
			t.Errorf("the log of %s: %v", test.method, err)
		}
	}
}

// logged waits for the line with the text, and parses it.
func (e *edge) logged(t *testing.T, text string) map[string]any {
	t.Helper()
	var entry map[string]any
	eventually(t, 5*time.Second, func() error {
		line, err := e.stdout.find(text)
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(line), &entry)
	})
	return entry
}

// lines collects what Envoy writes to stdout.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// find returns the first whole line that holds the text.
func (l *lines) find(text string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	scanner := bufio.NewScanner(bytes.NewReader(l.text.Bytes()))
	for scanner.Scan() {
		if strings.Contains(scanner.Text(), text) {
			return scanner.Text(), nil
		}
	}
	return "", errors.Join(fmt.Errorf("no line with %q on stdout:\n%s", text, l.text.String()), scanner.Err())
}

// count returns how often the text was written.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// TestAccessLogOfADeadline checks that the log has the deadline that the pod got: in
// milliseconds whatever the client's unit, and capped at the edge's limit.
func TestAccessLogOfADeadline(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.MaxDeadline = time.Minute
	e := start(t, config)
	for sent, want := range map[string]string{"7S": "6995m", "7H": "59995m"} {
		request, err := http.NewRequestWithContext(callContext(t), http.MethodPost, "https://"+e.address()+count, bytes.NewReader(make([]byte, 5)))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {sent}, "User-Agent": {"sends " + sent}}
		response, err := e.browser(t, true).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := e.logged(t, "sends "+sent)["deadline"]; got != want {
			t.Errorf("the log of a call with grpc-timeout %s has deadline %v, want %s", sent, got, want)
		}
	}
}

// TestAccessLogOfEveryWay checks that a line has the method and the status of the call, whatever
// the client speaks, and whether the status came with the headers or after them.
func TestAccessLogOfEveryWay(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.REST, config.Backends[0].Services = true, prototest.Services(t, waysProto)
	e := start(t, config)
	e.awaitPods(t, "probe", 1)
	for want, handle := range map[string]func(grpc.ServerStream) error{
		"OK": func(stream grpc.ServerStream) error { return stream.SendMsg(&emptypb.Empty{}) },
		"FAILED_PRECONDITION": func(grpc.ServerStream) error {
			return status.Error(codes.FailedPrecondition, "with the headers")
		},
		"NOT_FOUND": func(stream grpc.ServerStream) error {
			if err := stream.SendHeader(nil); err != nil {
				return err
			}
			return status.Error(codes.NotFound, "after the headers")
		},
	} {
		backend.answer(handle)
		for way, change := range ways {
			agent := want + " by " + way
			if _, err := e.raw(t, waysPut, func(r *http.Request) {
				change(r)
				r.Header.Set("User-Agent", agent)
			}); err != nil {
				t.Fatalf("%s: %v", agent, err)
			}
			entry := e.logged(t, `"user_agent":"`+agent+`"`)
			if entry["grpc_status"] != want || entry["method"] != waysPut {
				t.Errorf("the log of %s has grpc_status %v and method %v, want those of the call", agent, entry["grpc_status"], entry["method"])
			}
			if n := e.stdout.count(`"user_agent":"` + agent + `"`); n != 1 {
				t.Errorf("the log has %d lines of %s, want one", n, agent)
			}
		}
	}
}

// TestAccessLogIsOfClients checks that the log has no lines for probes and scrapes.
func TestAccessLogIsOfClients(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	for _, url := range []string{e.readyURL(), e.metricsURL()} {
		if err := expectStatus(url, http.StatusOK); err != nil {
			t.Fatal(err)
		}
	}
	if err := callCount(t.Context(), e.dial(t)); err != nil {
		t.Fatal(err)
	}
	e.logged(t, `"method":"`+count+`"`)
	for _, path := range []string{envoy.ReadyPath, envoy.MetricsPath, "grpc.health"} {
		if line, err := e.stdout.find(path); err == nil {
			t.Errorf("the log has a line of %s: %s", path, line)
		}
	}
}

// TestAccessLogOfARetry checks that the log shows how often a call was sent.
func TestAccessLogOfARetry(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	connection := p.dial(t)
	p.take(t, connection, 30)
	p.backends[0].server.Stop()
	gone := fmt.Sprintf("%s:%d", p.hosts[0], p.config.Backends[0].Port)
	eventually(t, callLimit, func() error {
		// A call that may be retried although the pod has started it.
		if err := connection.Invoke(callContext(t), headers, &emptypb.Empty{}, &wrapperspb.StringValue{}); err != nil {
			t.Fatal(err)
		}
		_, err := p.stdout.find(`"attempts":2`)
		return err
	})
	entry := p.logged(t, `"attempts":2`)
	if host := entry["upstream_host"]; host == nil || host == gone || entry["grpc_status"] != "OK" {
		t.Errorf("the log of a call that was sent twice has upstream_host %v and grpc_status %v", host, entry["grpc_status"])
	}
}
