package e2e

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

var errNoSpan = errors.New("the collector has no span of the call")

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// collector remembers the spans that it gets.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans []*tracepb.Span
}

// Export is the method that Envoy calls.
func (c *collector) Export(_ context.Context, request *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func (c *collector) has(id string) bool { return len(c.of(id)) > 0 }

// of returns the spans of the trace.
func (c *collector) of(id string) []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*tracepb.Span
	for _, span := range c.spans {
		if hex.EncodeToString(span.GetTraceId()) == id {
			list = append(list, span)
		}
	}
	return list
}

// startTraced runs an edge with a collector, or without one if sampling is negative.
func startTraced(t *testing.T, sampling float64) (*edge, *collector) {
	t.Helper()
	config, _ := oneBackend(t)
	c := &collector{}
	if sampling >= 0 {
		config.Collector = c.start(t, sampling)
	}
	return start(t, config), c
}

func (c *collector) start(t *testing.T, sampling float64) *envoy.Collector {
	t.Helper()
	port := freePort(t)
	listenAndServe(t, "127.0.0.1", port, func(s *grpc.Server) { collectorpb.RegisterTraceServiceServer(s, c) })
	return &envoy.Collector{Address: "localhost", Port: port, Sampling: sampling}
}

// callTraced calls with a traceparent, and returns the one that the backend got.
func callTraced(t *testing.T, connection *grpc.ClientConn, parent string) string {
	t.Helper()
	ctx := callContext(t)
	if parent != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", parent)
	}
	var reply wrapperspb.StringValue
	if err := connection.Invoke(ctx, headers, &emptypb.Empty{}, &reply); err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(reply.GetValue(), "traceparent: ")
	if !found {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func TestTraceGoesOn(t *testing.T) {
	t.Parallel()
	e, c := startTraced(t, 0)
	got := callTraced(t, e.dial(t), "00-"+traceID+"-00f067aa0ba902b7-01")
	if !strings.HasPrefix(got, "00-"+traceID+"-") || strings.Contains(got, "00f067aa0ba902b7") || !strings.HasSuffix(got, "-01") {
		t.Errorf("the backend got traceparent %q, want the same trace, sampled, with a span of Envoy's", got)
	}
	eventually(t, startLimit, func() error {
		if !c.has(traceID) {
			return errNoSpan
		}
		return nil
	})
	if entry := e.logged(t, `"method":"`+headers+`"`); entry["trace_id"] != traceID {
		t.Errorf("the access log has trace_id %v, want %s", entry["trace_id"], traceID)
	}
}

// TestSpans checks that a call has two spans, one below the other and both below the
// caller's, named after the method.
func TestSpans(t *testing.T) {
	t.Parallel()
	e, c := startTraced(t, 0)
	const caller = "00f067aa0ba902b7"
	got := callTraced(t, e.dial(t), "00-"+traceID+"-"+caller+"-01")
	eventually(t, startLimit, func() error {
		if len(c.of(traceID)) < 2 {
			return errNoSpan
		}
		return nil
	})
	below := map[string]string{}
	for _, span := range c.of(traceID) {
		below[hex.EncodeToString(span.GetParentSpanId())] = hex.EncodeToString(span.GetSpanId())
		if span.GetName() != headers {
			t.Errorf("a span of a call of %s has the name %s", headers, span.GetName())
		}
	}
	if want := "00-" + traceID + "-" + below[below[caller]] + "-01"; got != want {
		t.Errorf("the backend got traceparent %q, want %q, of the span that is below the one below the caller's", got, want)
	}
}

// TestSpansHoldNoQuery calls by REST, where a query may be about a person.
func TestSpansHoldNoQuery(t *testing.T) {
	t.Parallel()
	c := &collector{}
	config := libraryConfig(t)
	config.REST, config.Collector = true, c.start(t, 0)
	e := start(t, config)
	const path = "/v1/shelves/a/books/b?page_count=424242"
	response, body := e.rest(t, true, http.MethodGet, path, nil, "traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %s %s", path, response.Status, body)
	}
	eventually(t, startLimit, func() error {
		if len(c.of(traceID)) < 2 {
			return errNoSpan
		}
		return nil
	})
	for _, span := range c.of(traceID) {
		if strings.Contains(span.String(), "424242") {
			t.Errorf("a span has the query: %v", span)
		}
	}
}

// TestCollectorIsNotNeeded serves while the collector does not.
func TestCollectorIsNotNeeded(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.Collector = &envoy.Collector{Address: "localhost", Port: freePort(t), Sampling: 100}
	connection := start(t, config).dial(t)
	for range 100 {
		if err := callCount(t.Context(), connection); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTraceIsTheCallersDecision checks that no span is sent for a call whose caller decided against
// a trace, while Envoy samples all others.
func TestTraceIsTheCallersDecision(t *testing.T) {
	t.Parallel()
	e, c := startTraced(t, 100)
	connection := e.dial(t)
	got := callTraced(t, connection, "00-"+traceID+"-00f067aa0ba902b7-00")
	if !strings.HasPrefix(got, "00-"+traceID+"-") || !strings.HasSuffix(got, "-00") {
		t.Errorf("the backend got traceparent %q, want the same trace, not sampled", got)
	}
	// A call without a traceparent is sampled; once its span is there, the other would be too.
	own := regexp.MustCompile(`^00-([0-9a-f]{32})-[0-9a-f]{16}-01$`).FindStringSubmatch(callTraced(t, connection, ""))
	if own == nil {
		t.Fatal("a call without a traceparent is not traced, want all to be")
	}
	eventually(t, startLimit, func() error {
		if !c.has(own[1]) {
			return errNoSpan
		}
		return nil
	})
	if c.has(traceID) {
		t.Error("a span was sent for a call that its caller does not trace")
	}
}

func TestTraceparentPassesWithoutACollector(t *testing.T) {
	t.Parallel()
	e, _ := startTraced(t, -1)
	const parent = "00-" + traceID + "-00f067aa0ba902b7-01"
	if got := callTraced(t, e.dial(t), parent); got != parent {
		t.Errorf("the backend got traceparent %q, want %q", got, parent)
	}
}
