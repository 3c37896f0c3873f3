package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/nameserver"
)

// withFailingPod runs a test on four pods, once for each of two ways to fail that a caller sees as
// UNAVAILABLE. The fourth pod answers health checks, fails all calls in that way, and counts them.
func withFailingPod(t *testing.T, test func(t *testing.T, p *pods, failed *atomic.Int64)) {
	t.Helper()
	for name, handler := range map[string]http.HandlerFunc{
		"UNAVAILABLE": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "14")
		},
		"reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failed atomic.Int64
			p := startPodsWith(t, func(_ *nameserver.Server, config *envoy.Config) {
				serveHTTP(t, "127.0.0.5", config.Backends[0].Port, probePattern, func(w http.ResponseWriter, r *http.Request) {
					failed.Add(1)
					handler(w, r)
				})
			})
			p.dns.Set(podsName, append([]string{"127.0.0.5"}, p.hosts...)...)
			test(t, p, &failed)
		})
	}
}

// TestFailingPodIsEjected has one of four pods answer health checks and fail all
// calls. The calls may not be retried.
func TestFailingPodIsEjected(t *testing.T) {
	t.Parallel()
	withFailingPod(t, func(t *testing.T, p *pods, failed *atomic.Int64) {
		connection := p.dial(t)
		p.healthy(t, 4)
		for failed.Load() < 5 {
			if err := callCount(t.Context(), connection); err != nil && status.Code(err) != codes.Unavailable {
				t.Fatal(err)
			}
		}
		p.stat(t, callLimit, "cluster.probe.outlier_detection.ejections_active", 1)
		// Longer than two health checks, which must not bring the pod back.
		for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(10 * time.Millisecond) {
			if err := callCount(t.Context(), connection); err != nil {
				t.Fatalf("a call %v after the pod was ejected: %v", time.Since(began), err)
			}
		}
	})
}

// TestCallersCannotEject has all pods answer errors that may be the caller's
// doing, many times.
func TestCallersCannotEject(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	connection := p.dial(t)
	for _, code := range []codes.Code{codes.Internal, codes.Unknown, codes.Unimplemented, codes.DataLoss, codes.ResourceExhausted} {
		for _, b := range p.backends {
			b.fail(code)
		}
		for range 60 {
			if err := callCount(t.Context(), connection); status.Code(err) != code {
				t.Fatalf("a call = %v, want %v", err, code)
			}
		}
	}
	p.stat(t, callLimit, "cluster.probe.outlier_detection.ejections_enforced_total", 0)
}

// TestNoMoreThanHalfIsEjected has all pods fail: the last ones still get calls.
func TestNoMoreThanHalfIsEjected(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	for _, b := range p.backends {
		b.fail(codes.Unavailable)
	}
	connection := p.dial(t)
	for range 60 {
		if err := callCount(t.Context(), connection); status.Code(err) != codes.Unavailable {
			t.Fatalf("a call = %v, want UNAVAILABLE", err)
		}
	}
	p.stat(t, callLimit, "cluster.probe.outlier_detection.ejections_active", 1)
	p.forget()
	for range 60 {
		_ = callCount(t.Context(), connection)
	}
	if shares := p.shares(); shares[0]+shares[1]+shares[2] != 60 {
		t.Errorf("60 calls were shared as %d: some reached no pod", shares)
	}
}
