package e2e

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// countLabels holds the labels of the method that callCount calls.
const countLabels = `envoy_cluster_name="probe",envoy_grpc_bridge_service="test.Probe",envoy_grpc_bridge_method="Count"`

func TestMetricsByServiceAndMethod(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	connection := e.dial(t)
	for range 3 {
		if err := callCount(t.Context(), connection); err != nil {
			t.Fatal(err)
		}
	}
	// Envoy gathers histograms every five seconds.
	eventually(t, noticeLimit, func() error {
		return e.expectMetrics(
			`envoy_cluster_grpc{`+countLabels+`,envoy_grpc_status="0"} 3`,
			`envoy_cluster_grpc_total{`+countLabels+`} 3`,
			`envoy_cluster_grpc_success{`+countLabels+`} 3`,
			`envoy_cluster_grpc_request_message_count{`+countLabels+`} 3`,
			`envoy_cluster_grpc_response_message_count{`+countLabels+`} 3`,
			`envoy_cluster_grpc_upstream_rq_time_count{`+countLabels+`} 3`,
			`envoy_cluster_grpc_upstream_rq_time_bucket{`+countLabels+`,le="60000"} 3`,
		)
	})
}

// TestMetricsOfTheOperators checks the metrics that dashboards and alerts read, besides
// those of calls.
func TestMetricsOfTheOperators(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	if err := callCount(t.Context(), e.dial(t)); err != nil {
		t.Fatal(err)
	}
	listener := fmt.Sprintf(`envoy_listener_address="0.0.0.0_%d"`, e.config.HTTPSPort)
	served, err := tls.Dial("tcp4", e.address(), e.ca.client())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = served.Close() }()
	expiry := served.ConnectionState().PeerCertificates[0].NotAfter.Unix()
	if err := e.expectMetrics(
		`envoy_cluster_membership_total{envoy_cluster_name="probe"} 1`,
		`envoy_cluster_membership_healthy{envoy_cluster_name="probe"} 1`,
		`envoy_http_downstream_cx_active{envoy_http_conn_manager_prefix="https"} 2`,
		`envoy_http_downstream_rq_active{envoy_http_conn_manager_prefix="https"} 0`,
		`envoy_http_no_route{envoy_http_conn_manager_prefix="https"} 0`,
		`envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="server",`+listener+`} `+fmt.Sprint(expiry)+"\n",
		`envoy_server_days_until_first_cert_expiring{} 0`,
		`envoy_listener_downstream_cx_overflow{`+listener+`} 0`,
		`envoy_listener_downstream_cx_overload_reject{`+listener+`} 0`,
		`envoy_overload_envoy_resource_monitors_global_downstream_max_connections_pressure{} 0`,
		`envoy_cluster_circuit_breakers_default_rq_open{envoy_cluster_name="probe"} 0`,
		`envoy_cluster_upstream_rq_pending_overflow{envoy_cluster_name="probe"} 0`,
		`envoy_cluster_upstream_rq_retry{envoy_cluster_name="probe"} 0`,
		`envoy_cluster_upstream_cx_destroy_remote_with_active_rq{envoy_cluster_name="probe"} 0`,
		`envoy_cluster_upstream_cx_active{envoy_cluster_name="probe"} 1`,
		`envoy_filesystem_write_total_buffered{} 0`,
	); err != nil {
		t.Error(err)
	}
}

// TestCallsThatBreakOffAreCounted has a backend crash while a stream is open, which then has no status.
func TestCallsThatBreakOffAreCounted(t *testing.T) {
	t.Parallel()
	config, b := oneBackend(t)
	e := start(t, config)
	stream, err := e.dial(t).NewStream(t.Context(), bidi, ticks)
	if err == nil {
		err = errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.RecvMsg(&emptypb.Empty{}))
	}
	if err != nil {
		t.Fatal(err)
	}
	b.server.Stop()
	if err := stream.RecvMsg(&emptypb.Empty{}); err == nil {
		t.Error("a stream outlives its backend")
	}
	eventually(t, callLimit, func() error {
		return e.expectMetrics(`envoy_cluster_upstream_cx_destroy_remote_with_active_rq{envoy_cluster_name="probe"} 1`)
	})
}

// TestUnknownMethodsMakeNoMetrics calls 1000 methods that do not exist, whose names must not fill
// Envoy's memory.
func TestUnknownMethodsMakeNoMetrics(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	connection, web := e.dial(t), e.browser(t, true)
	call := func(n int) {
		t.Helper()
		method := fmt.Sprintf("/test.Probe/Unknown%d", n)
		if err := connection.Invoke(callContext(t), method, &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Fatalf("%s = %v, want UNIMPLEMENTED", method, err)
		}
		response, err := web.Post("https://"+e.address()+method, "application/grpc-web+proto", bytes.NewReader(make([]byte, 5)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
	}
	call(0)
	before := strings.Count(e.metrics(t), "\n")
	const calls = 1000
	for n := range calls {
		call(n)
	}
	// A few series count events that happen now and then, such as a health check.
	if after := strings.Count(e.metrics(t), "\n"); after > before+calls/10 {
		t.Errorf("%d unknown methods took the metrics from %d lines to %d", calls, before, after)
	}
	if text := e.metrics(t); strings.Contains(text, "Unknown") {
		t.Error("the metrics have names that a client made up")
	}
}

func (e *edge) metrics(t *testing.T) string {
	t.Helper()
	code, text, err := get(http.MethodGet, e.metricsURL())
	if err != nil || code != http.StatusOK {
		t.Fatalf("GET %s = %d, %v", e.metricsURL(), code, err)
	}
	return text
}

// expectMetrics checks that the metrics have lines with these beginnings.
func (e *edge) expectMetrics(want ...string) error {
	_, text, err := get(http.MethodGet, e.metricsURL())
	if err != nil {
		return err
	}
	for _, line := range want {
		if !strings.Contains(text, "\n"+line) {
			name, _, _ := strings.Cut(line, "{")
			var found []string
			for got := range strings.Lines(text) {
				if strings.HasPrefix(got, name+"{") {
					found = append(found, got)
				}
			}
			return fmt.Errorf("the metrics have no line %s, but:\n%s", line, strings.Join(found, ""))
		}
	}
	return nil
}
