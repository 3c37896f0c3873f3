package e2e

import (
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/nameserver"
)

// release describes a backend with three pods, and a canary with one.
type release struct {
	*pods
	canary *backend
}

const canaryPods = "canary.pods.test."

func startRelease(t *testing.T, canary envoy.Canary) *release {
	t.Helper()
	var r release
	r.pods = startPodsWith(t, func(names *nameserver.Server, config *envoy.Config) {
		names.Set(canaryPods, "127.0.0.6")
		r.canary = serve(t, "127.0.0.6", config.Backends[0].Port)
		canary.Address = canaryPods
		config.Backends[0].Canary = &canary
	})
	return &r
}

// split makes n calls with the metadata and returns how many went to each version.
func (r *release) split(t *testing.T, connection *grpc.ClientConn, n int, pairs ...string) (stable, canary int64) {
	t.Helper()
	r.canary.calls.Store(0)
	r.forget()
	ctx := metadata.AppendToOutgoingContext(callContext(t), pairs...)
	for range n {
		if err := connection.Invoke(ctx, count, &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, share := range r.shares() {
		stable += share
	}
	return stable, r.canary.calls.Load()
}

// TestCanaryWeight compares the split with the binomial distribution: with a weight of 10 %, the
// canary gets 60 to 140 of 1000 calls, except once in 40,000 runs (4.2 standard deviations of 9.5).
func TestCanaryWeight(t *testing.T) {
	t.Parallel()
	r := startRelease(t, envoy.Canary{Weight: 10})
	stable, canary := r.split(t, r.dial(t), 1000)
	if stable+canary != 1000 || canary < 60 || canary > 140 {
		t.Errorf("1000 calls were split as %d to %d, want about a tenth for the canary", stable, canary)
	}
}

func TestCanaryHeader(t *testing.T) {
	t.Parallel()
	for weight, unnamed := range map[uint32]int64{0: 0, 100: 30} {
		t.Run(fmt.Sprint(weight), func(t *testing.T) {
			t.Parallel()
			r := startRelease(t, envoy.Canary{Weight: weight, Header: "x-release"})
			connection := r.dial(t)
			for _, test := range []struct {
				value string
				want  int64
			}{{"canary", 30}, {"stable", 0}, {"other", unnamed}} {
				if stable, canary := r.split(t, connection, 30, "x-release", test.value); canary != test.want || stable != 30-test.want {
					t.Errorf("weight %d: 30 calls with x-release: %s were split as %d to %d, want %d for the canary",
						weight, test.value, stable, canary, test.want)
				}
			}
		})
	}
}

// TestCanaryWithoutPods checks that the stable version takes the canary's share while the canary
// has no healthy pod, and then no pod at all. No call fails meanwhile.
func TestCanaryWithoutPods(t *testing.T) {
	t.Parallel()
	r := startRelease(t, envoy.Canary{Weight: 100})
	connection := r.dial(t)
	takes := func(want int64) {
		t.Helper()
		eventually(t, startLimit, func() error {
			if _, canary := r.split(t, connection, 30); canary != want {
				return fmt.Errorf("the canary took %d of 30 calls, want %d", canary, want)
			}
			return nil
		})
	}
	takes(30)
	r.canary.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	takes(0)
	r.dns.Set(canaryPods)
	r.stat(t, startLimit, "cluster.probe-canary.membership_total", 0)
	takes(0)
	r.canary.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	r.dns.Set(canaryPods, "127.0.0.6")
	takes(30)
}

// TestCanaryIsRetriedWithin checks that a call is retried by the version that it was
// for, although that has no second pod.
func TestCanaryIsRetriedWithin(t *testing.T) {
	t.Parallel()
	r := startRelease(t, envoy.Canary{Header: "x-release"})
	r.canary.fail(codes.Unavailable)
	r.forget()
	ctx := metadata.AppendToOutgoingContext(callContext(t), "x-release", "canary")
	err := r.dial(t).Invoke(ctx, headers, &emptypb.Empty{}, &wrapperspb.StringValue{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a call at a canary that fails = %v, want UNAVAILABLE", err)
	}
	if got := r.canary.calls.Load(); got != 3 {
		t.Errorf("the canary got the call %d times, want 3", got)
	}
	if shares := r.shares(); shares[0]+shares[1]+shares[2] != 0 {
		t.Errorf("the call went to the first version: %d", shares)
	}
}

// TestMirror has the canary fail: callers must not notice. The bounds are those
// of 4 standard deviations.
func TestMirror(t *testing.T) {
	t.Parallel()
	for mirror, bounds := range map[uint32][2]int64{25: {108, 192}, 100: {600, 600}} {
		t.Run(fmt.Sprint(mirror), func(t *testing.T) {
			t.Parallel()
			r := startRelease(t, envoy.Canary{Mirror: mirror, Header: "x-release"})
			r.canary.fail(codes.Internal)
			connection := r.dial(t)
			stable, _ := r.split(t, connection, 600)
			if stable != 600 {
				t.Errorf("600 calls reached the first version %d times", stable)
			}
			eventually(t, callLimit, func() error {
				if got := r.canary.calls.Load(); got < bounds[0] || got > bounds[1] {
					return fmt.Errorf("%d of 600 calls were mirrored, want %d to %d", got, bounds[0], bounds[1])
				}
				return nil
			})

			ctx := metadata.AppendToOutgoingContext(callContext(t), "x-release", "canary")
			r.canary.calls.Store(0)
			for range 20 {
				if err := connection.Invoke(ctx, count, &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != codes.Internal {
					t.Errorf("a call at the canary = %v, want INTERNAL", err)
				}
			}
			if got := r.canary.calls.Load(); got != 20 {
				t.Errorf("20 calls for the canary reached it %d times", got)
			}
		})
	}
}
