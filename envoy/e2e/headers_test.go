package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

// TestForgedHeaders sends headers that a client could use to control Envoy or to mislead
// a backend about the caller.
func TestForgedHeaders(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	connection := start(t, config).dial(t)
	const forged = "192.0.2.1"
	ctx := callContext(t)
	for _, name := range []string{
		// docs/root/configuration/http/http_filters/router_filter.rst
		"x-envoy-max-retries", "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-retriable-status-codes",
		"x-envoy-retriable-header-names", "x-envoy-upstream-alt-stat-name", "x-envoy-upstream-rq-timeout-ms",
		"x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-alt-response", "x-envoy-hedge-on-per-try-timeout",
		"x-envoy-expected-rq-timeout-ms", "x-envoy-attempt-count", "x-envoy-original-path", "x-envoy-original-host",
		"x-envoy-immediate-health-check-fail", "x-envoy-overloaded", "x-envoy-ratelimited",
		// docs/root/configuration/http/http_conn_man/headers.rst
		"x-envoy-internal", "x-envoy-external-address", "x-envoy-force-trace", "x-envoy-ip-tags",
		"x-envoy-decorator-operation", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node",
		"x-envoy-not-yet-invented",
		"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-client-cert",
		"forwarded", "x-real-ip", "x-request-id", "x-jwt-payload",
	} {
		ctx = metadata.AppendToOutgoingContext(ctx, name, forged)
	}
	var reply wrapperspb.StringValue
	var header metadata.MD
	if err := connection.Invoke(ctx, headers, &emptypb.Empty{}, &reply, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(reply.Value) {
		if strings.Contains(line, forged) {
			t.Errorf("the backend received what the client forged: %s", line)
		}
	}
	received := "\n" + reply.Value
	if want := "\nx-envoy-external-address: 127.0.0.1\n"; !strings.Contains(received, want) {
		t.Errorf("the backend did not receive %q, what Envoy saw itself:%s", want, received)
	}
	id := header.Get("x-request-id")
	if len(id) != 1 || !strings.Contains(received, "\nx-request-id: "+id[0]+"\n") {
		t.Errorf("the reply has x-request-id %q, want the one that the backend received:%s", id, received)
	}
	for key := range header {
		if key == "server" || strings.HasPrefix(key, "x-envoy-") {
			t.Errorf("the reply tells clients %s: %s", key, header.Get(key))
		}
	}
}

// TestUnderscores has metadata with an underscore in its name.
func TestUnderscores(t *testing.T) {
	t.Parallel()
	for underscores, want := range map[envoy.Underscores]struct {
		code     codes.Code
		received bool
	}{
		envoy.DropUnderscores: {codes.OK, false}, envoy.AllowUnderscores: {codes.OK, true}, envoy.RefuseUnderscores: {codes.Internal, false},
	} {
		config, _ := oneBackend(t)
		config.Underscores = underscores
		e := start(t, config)
		var reply wrapperspb.StringValue
		ctx := metadata.AppendToOutgoingContext(callContext(t), "user_id", "7")
		err := e.dial(t).Invoke(ctx, headers, &emptypb.Empty{}, &reply, grpc.WaitForReady(true))
		if received := strings.Contains(reply.Value, "user_id: 7"); status.Code(err) != want.code || received != want.received {
			t.Errorf("with %q: %v, and the backend received it: %v, want %v, %v", underscores, err, received, want.code, want.received)
		}
	}
}

// TestRefusedUnderscoresAreNamed sends such a header by every way. The caller and the access log
// read which header was refused.
func TestRefusedUnderscoresAreNamed(t *testing.T) {
	t.Parallel()
	config := libraryConfig(t)
	config.REST, config.Origins, config.Underscores = true, []string{page}, envoy.RefuseUnderscores
	e := start(t, config)
	for way, change := range ways {
		for _, h2 := range []bool{true, false} {
			if !h2 && strings.HasPrefix(way, "gRPC") && way != "gRPC-Web" {
				continue
			}
			name := strings.ToLower(strings.ReplaceAll(fmt.Sprintf("of_%s-%t", way, h2), " ", "-"))
			got, err := e.rawBy(t, e.browser(t, h2), "/test.Library/Get", func(r *http.Request) {
				change(r)
				r.Header.Set(name, "7")
			})
			if err != nil {
				t.Fatal(err)
			}
			wantStatus := http.StatusOK
			if way == "REST" {
				wantStatus = http.StatusBadRequest
			} else if got.code != codes.Internal { // for 400 (gRPC's "HTTP to gRPC Status Code Mapping")
				t.Errorf("by %s, HTTP/2 %t: %v, want INTERNAL", way, h2, got.code)
			}
			if reason := got.message + got.body; got.status != wantStatus || !strings.Contains(reason, name) {
				t.Errorf("by %s, HTTP/2 %t: HTTP %d with %q, want %d and the name %s", way, h2, got.status, reason, wantStatus, name)
			}
			line := e.logged(t, name)
			if reason, _ := line["response_details"].(string); !strings.Contains(reason, "underscore") || line["method"] != "/test.Library/Get" && way != "REST" {
				t.Errorf("by %s, HTTP/2 %t: the access log has the method %v and the reason %q", way, h2, line["method"], reason)
			}
		}
	}
}
