package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"grpc-edge/envoy"
	"grpc-edge/envoy/prototest"
)

// callHeaders calls the method that may be repeated.
func callHeaders(ctx context.Context, connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return connection.Invoke(ctx, headers, &emptypb.Empty{}, &wrapperspb.StringValue{})
}

// TestRepeatableCallsAreTriedElsewhere has one of three pods fail what it gets,
// in the two ways that a caller sees as UNAVAILABLE.
func TestRepeatableCallsAreTriedElsewhere(t *testing.T) {
	t.Parallel()
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
			p := startPodsWith(t, func(_ *nameServer, config *envoy.Config) {
				serveHTTP(t, "127.0.0.5", config.Backends[0].Port, func(w http.ResponseWriter, r *http.Request) {
					failed.Add(1)
					handler(w, r)
				})
			})
			connection := p.dial(t)
			p.dns.set(append([]string{"127.0.0.5"}, p.hosts...)...)
			eventually(t, noticeLimit, func() error {
				if err := callHeaders(t.Context(), connection); err != nil {
					t.Fatalf("a call that may be repeated: %v", err)
				}
				if failed.Load() == 0 {
					return errNotYet
				}
				return nil
			})
		})
	}
}

// TestWhatIsNotRepeated has all pods answer UNAVAILABLE to calls of which a second
// might do harm, or cannot be sent.
func TestWhatIsNotRepeated(t *testing.T) {
	t.Parallel()
	const upload = "/test.Uploads/Upload"
	p := startPodsWith(t, func(_ *nameServer, config *envoy.Config) {
		config.Backends[0].Services = append(config.Backends[0].Services, prototest.Services(t, `
package test;
import "google/protobuf/empty.proto";
service Uploads {
  rpc Upload(stream google.protobuf.Empty) returns (google.protobuf.Empty) { option idempotency_level = IDEMPOTENT; }
}`)...)
	})
	for _, b := range p.backends {
		b.fail(codes.Unavailable)
	}
	connection := p.dial(t)
	for _, test := range []struct {
		method string
		calls  int64
	}{{count, 1}, {upload, 1}, {headers, 3}} {
		p.forget()
		err := connection.Invoke(callContext(t), test.method, &emptypb.Empty{}, &emptypb.Empty{})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s = %v, want UNAVAILABLE", test.method, err)
		}
		var sum int64
		for i, share := range p.shares() {
			sum += share
			if share > 1 {
				t.Errorf("%s was sent %d times to the pod %s", test.method, share, p.hosts[i])
			}
		}
		if sum != test.calls {
			t.Errorf("%s was sent %d times, want %d", test.method, sum, test.calls)
		}
	}
}

// TestRetryBudget has all pods fail all calls, ninety at the same time. Each
// could be sent three times, and without a budget all of them are.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	const calls = 90
	p := startPods(t)
	var together sync.WaitGroup
	together.Add(calls)
	var arrived atomic.Int64
	for _, b := range p.backends {
		b.answer(func(grpc.ServerStream) error {
			if arrived.Add(1) <= calls {
				together.Done()
				together.Wait()
			}
			return status.Error(codes.Unavailable, "as the test wants")
		})
	}
	connection := p.dial(t)
	var wait sync.WaitGroup
	for range calls {
		wait.Go(func() {
			if err := callHeaders(t.Context(), connection); status.Code(err) != codes.Unavailable {
				t.Errorf("a call = %v, want UNAVAILABLE", err)
			}
		})
	}
	wait.Wait()
	if got := arrived.Load(); got < calls+10 || got > 2*calls {
		t.Errorf("%d calls were sent %d times, want at least %d times, and %d at most", calls, got, calls+10, 2*calls)
	}
	_, stats, err := get(http.MethodGet, p.adminURL("/stats?filter=cluster.probe.upstream_rq_retry_overflow"))
	if err != nil || strings.HasSuffix(stats, ": 0\n") {
		t.Errorf("no retry was over the budget (%v, %s)", err, stats)
	}
}

// TestRetriesAreOnAnotherPod balances at random, which may pick the pod that has
// just failed. One pod of three fails what may be repeated, and only that, so that
// it is not ejected.
func TestRetriesAreOnAnotherPod(t *testing.T) {
	t.Parallel()
	p := startPodsWith(t, func(_ *nameServer, c *envoy.Config) { c.LeastRequest = true })
	p.backends[0].answer(func(stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method == headers {
			return status.Error(codes.Unavailable, "as the test wants")
		}
		return stream.SendMsg(&emptypb.Empty{})
	})
	connection := p.dial(t)
	met := 0
	for range 60 {
		p.forget()
		if err := callHeaders(t.Context(), connection); err != nil {
			t.Error(err)
		}
		switch p.backends[0].calls.Load() {
		case 0:
		case 1:
			met++
		default:
			t.Error("a call was tried twice on the pod that fails it")
		}
		p.take(t, connection, 10)
	}
	if met < 5 {
		t.Errorf("%d of 60 calls met the pod that fails: this test proved little", met)
	}
}
