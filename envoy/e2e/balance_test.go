package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"grpc-edge/envoy"
)

// noticeLimit is more than a DNS refresh and two health checks take together.
const noticeLimit = 15 * time.Second

// pods are three backends behind one name, as replicas behind a headless Service.
type pods struct {
	*edge
	dns      *nameServer
	hosts    []string
	backends []*backend
}

func startPods(t *testing.T) *pods {
	t.Helper()
	p := &pods{hosts: []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}}
	port := freePort(t)
	for _, host := range p.hosts {
		p.backends = append(p.backends, serve(t, host, port))
	}
	p.dns = newNameServer(t, p.hosts...)
	p.edge = start(t, envoy.Config{
		Backends:  []envoy.Backend{probeAt(t, podsName, port)},
		Resolvers: []netip.AddrPort{p.dns.address},
	})
	return p
}

// take makes n calls, a few at a time, and returns how many reached each pod.
func (p *pods) take(t *testing.T, connection *grpc.ClientConn, n int) []int64 {
	t.Helper()
	for _, b := range p.backends {
		b.calls.Store(0)
	}
	const callers = 10
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			for range n / callers {
				if err := callCount(t.Context(), connection); err != nil {
					t.Errorf("a call through Envoy: %v", err)
					return
				}
			}
		})
	}
	wait.Wait()
	var shares []int64
	for _, b := range p.backends {
		shares = append(shares, b.calls.Load())
	}
	return shares
}

func callCount(ctx context.Context, connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return connection.Invoke(ctx, count, &emptypb.Empty{}, &emptypb.Empty{})
}

// TestOneConnectionIsSharedEvenly also shows that ready means ready: all pods
// are known and checked when Envoy says so.
func TestOneConnectionIsSharedEvenly(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	shares := p.take(t, p.dial(t), 3000)
	least, most, sum := shares[0], shares[0], int64(0)
	for _, share := range shares {
		least, most, sum = min(least, share), max(most, share), sum+share
	}
	if sum != 3000 || float64(most) > 1.05*float64(least) {
		t.Errorf("3000 calls were shared as %d, want largest/smallest to be 1.05 at most", shares)
	}
	_, metrics, err := get(http.MethodGet, p.metricsURL())
	if err != nil {
		t.Fatal(err)
	}
	one := `envoy_http_downstream_cx_http2_total{envoy_http_conn_manager_prefix="https"} 1` + "\n"
	if !strings.Contains(metrics, one) {
		t.Errorf("%s does not have %q: the calls took more than one connection", p.metricsURL(), one)
	}
}

// TestPodsComeAndGo follows DNS and health as a rollout changes them. No call
// fails meanwhile.
func TestPodsComeAndGo(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	connection := p.dial(t)
	expect := func(what string, serving ...bool) {
		t.Helper()
		eventually(t, noticeLimit, func() error {
			shares := p.take(t, connection, 30)
			for i := range shares {
				if (shares[i] > 0) != serving[i] {
					return fmt.Errorf("%s: 30 calls were shared as %d, want shares for %t", what, shares, serving)
				}
			}
			return nil
		})
	}

	p.dns.set(p.hosts[0], p.hosts[1])
	expect("the third pod left DNS but answers health checks", true, true, false)

	p.dns.set(p.hosts...)
	expect("the third pod came back", true, true, true)

	p.backends[1].health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	expect("the second pod is NOT_SERVING", true, false, true)

	p.backends[1].health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	expect("the second pod is SERVING again", true, true, true)
}

// TestCallsGoAroundACrashedPod calls after a pod has gone and before health
// checks can tell: no call fails, since those it does not take are tried elsewhere.
func TestCallsGoAroundACrashedPod(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	connection := p.dial(t)
	p.take(t, connection, 30)

	p.backends[0].server.Stop()
	gone := fmt.Sprintf("::%s:%d::cx_active::0\n", p.hosts[0], p.config.Backends[0].Port)
	eventually(t, time.Second, func() error {
		_, clusters, err := get(http.MethodGet, p.adminURL("/clusters"))
		if err == nil && !strings.Contains(clusters, gone) {
			err = fmt.Errorf("Envoy has not seen the connections close: no %q in:\n%s", gone, clusters)
		}
		return err
	})
	if shares := p.take(t, connection, 30); shares[0] != 0 || shares[1]+shares[2] != 30 {
		t.Errorf("30 calls were shared as %d, want all of them for the second and third", shares)
	}
	_, stats, err := get(http.MethodGet, p.adminURL("/stats?filter=cluster.probe.upstream_rq_retry_success"))
	if err != nil || strings.HasSuffix(stats, ": 0\n") {
		t.Errorf("no call was tried twice (%v, %s): this test proved nothing", err, stats)
	}
}

// TestStartedCallsAreNotRepeated breaks a call off after the backend received it.
func TestStartedCallsAreNotRepeated(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	connection := start(t, httpBackend(t, func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler) // resets the stream
	})).dial(t)
	if err := callCount(t.Context(), connection); status.Code(err) != codes.Unavailable {
		t.Errorf("a call that was reset = %v, want UNAVAILABLE", err)
	}
	if got := calls.Load(); got != 1 {
		t.Errorf("the backend received the call %d times", got)
	}
}
