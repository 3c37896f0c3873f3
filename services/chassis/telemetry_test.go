package chassis

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

// collector receives OTLP over gRPC.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	address     string
	connections atomic.Int32

	mu       sync.Mutex
	spans    []string // "<trace id> <name>"
	metrics  []string // names
	resource map[string]string
}

// metricsCollector is the part of a collector whose method has the same name.
type metricsCollector struct {
	metricspb.UnimplementedMetricsServiceServer
	*collector
}

// Export receives spans.
func (c *collector) Export(
	_ context.Context, request *tracepb.ExportTraceServiceRequest,
) (*tracepb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		c.describe(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, fmt.Sprintf("%x %s", span.GetTraceId(), span.GetName()))
			}
		}
	}
	return &tracepb.ExportTraceServiceResponse{}, nil
}

// Export receives metrics.
func (c metricsCollector) Export(
	_ context.Context, request *metricspb.ExportMetricsServiceRequest,
) (*metricspb.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.GetResourceMetrics() {
		c.describe(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				c.metrics = append(c.metrics, metric.GetName())
			}
		}
	}
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func (c *collector) describe(attributes []*commonpb.KeyValue) {
	for _, attribute := range attributes {
		c.resource[attribute.GetKey()] = attribute.GetValue().GetStringValue()
	}
}

// countingListener counts the connections made to a collector.
type countingListener struct {
	net.Listener
	connections *atomic.Int32
}

// Accept counts a connection.
func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.connections.Add(1)
	}
	return conn, err
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{address: "http://" + listener.Addr().String(), resource: map[string]string{}}
	server := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(server, c)
	metricspb.RegisterMetricsServiceServer(server, metricsCollector{collector: c})
	go server.Serve(countingListener{listener, &c.connections}) //nolint:errcheck // ends with Stop
	t.Cleanup(server.Stop)
	return c
}

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
)

// TestTelemetryIsExportedWhenAskedFor checks that traces and metrics are exported only if the
// environment asks for them. No test here is parallel, as environment and providers are global.
func TestTelemetryIsExportedWhenAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		environment     map[string]string // ADDRESS stands for the collector's
		traces, metrics bool
	}{
		"endpoint":           {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "ADDRESS"}, true, true},
		"endpoint of traces": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ADDRESS"}, true, false},
		"endpoint, no traces": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "ADDRESS", "OTEL_TRACES_EXPORTER": "none"}, false, true,
		},
		"nothing set": {nil, false, false},
		"disabled": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "ADDRESS", "OTEL_SDK_DISABLED": "true"}, false, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCollector(t)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
			t.Setenv("OTEL_SERVICE_NAME", "under-test")
			for variable, value := range test.environment {
				t.Setenv(variable, strings.ReplaceAll(value, "ADDRESS", c.address))
			}
			callAndStop(t)
			c.check(t, test.traces, test.metrics)
		})
	}
}

// callAndStop makes one call, in a trace, and one health check.
func callAndStop(t *testing.T) {
	t.Helper()
	s, err := readSettings(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	s.termination = termination{drain: timeout / 2, flush: timeout / 2}
	s.logLevel = slog.LevelDebug
	r := start(t, s, handlers{})
	ctx := metadata.AppendToOutgoingContext(bounded(t), "traceparent", traceparent)
	if _, err := r.client().UnaryCall(ctx, &grpc_testing.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	health := grpc_health_v1.NewHealthClient(r.dial())
	if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if logged := strings.Contains(r.logs.String(), `"trace_id":"`+traceID); logged != (s.traces || s.metrics) {
		t.Errorf("the log has the trace id: %t, want the opposite:\n%s", logged, r.logs)
	}
}

// check compares what was received with what was asked for.
func (c *collector) check(t *testing.T, traces, metrics bool) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var wantSpans []string
	if traces {
		wantSpans = []string{traceID + " " + serviceName + "/UnaryCall"}
	}
	if !slices.Equal(c.spans, wantSpans) {
		t.Errorf("exported spans = %q, want %q", c.spans, wantSpans)
	}
	if got := slices.Contains(c.metrics, "rpc.server.call.duration"); got != metrics {
		t.Errorf("exported metrics = %q, want the duration of calls: %t", c.metrics, metrics)
	}
	if !traces && !metrics {
		if connections := c.connections.Load(); connections != 0 {
			t.Errorf("%d connections to the collector, want none", connections)
		}
		return
	}
	hostname, _ := os.Hostname()
	if c.resource["service.name"] != "under-test" || c.resource["host.name"] != hostname {
		t.Errorf("exported for the resource %v, want service.name under-test and host.name %s", c.resource, hostname)
	}
}

func TestTelemetryThatCannotStart(t *testing.T) {
	for name, environment := range map[string]map[string]string{
		"OTEL_RESOURCE_ATTRIBUTES": {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_RESOURCE_ATTRIBUTES": "no-value"},
		"metric exporter":          {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "none"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range environment {
				t.Setenv(variable, value)
			}
			t.Setenv("PORT", "1") // not reached
			s, err := readSettings(os.Getenv)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := startTelemetry(t.Context(), s, newLogger(&logs{}, 0)); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("startTelemetry() = %v, want an error about %s", err, name)
			}
		})
	}
}

func TestUnreachableCollectorIsLogged(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	s, err := readSettings(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	s.termination = termination{drain: timeout / 2, flush: 100 * time.Millisecond}
	r := start(t, s, handlers{})
	if _, err := r.client().UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("a call without a collector = %v, want no error", err)
	}
	r.stop()
	if !strings.Contains(r.logs.String(), "exporting the last telemetry") {
		t.Errorf("the log does not tell that telemetry was lost:\n%s", r.logs)
	}
}
