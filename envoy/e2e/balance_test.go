package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
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

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/nameserver"
)

// errNotYet is the error of a check that may pass later.
var errNotYet = errors.New("it has not come to that")

// noticeLimit is more than a DNS refresh and two health checks take together.
const noticeLimit = 15 * time.Second

// pods are three backends behind one name, as replicas behind a headless Service.
type pods struct {
	*edge
	dns      *nameserver.Server
	hosts    []string
	backends []*backend
}

func startPods(t *testing.T) *pods {
	t.Helper()
	return startPodsWith(t, func(*nameserver.Server, *envoy.Config) {})
}

// startPodsWith starts the pods after a change of the names and the configuration.
func startPodsWith(t *testing.T, change func(*nameserver.Server, *envoy.Config)) *pods {
	t.Helper()
	p := &pods{hosts: []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}}
	port := freePort(t)
	for _, host := range p.hosts {
		p.backends = append(p.backends, serve(t, host, port))
	}
	p.dns = startNames(t)
	p.dns.Set(podsName, p.hosts...)
	config := envoy.Config{
		Backends:  []envoy.Backend{probeAt(t, podsName, port)},
		Resolvers: []netip.AddrPort{p.dns.Address},
	}
	change(p.dns, &config)
	p.edge = start(t, config)
	return p
}

// take makes n calls, a few at a time, and returns how many reached each pod.
func (p *pods) take(t *testing.T, connection *grpc.ClientConn, n int) []int64 {
	t.Helper()
	p.forget()
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
	return p.shares()
}

// forget sets the count of calls to 0.
func (p *pods) forget() {
	for _, b := range p.backends {
		b.calls.Store(0)
	}
}

// shares returns the number of calls that reached each pod.
func (p *pods) shares() []int64 {
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

// TestOneConnectionIsSharedEvenly checks that the calls of one connection are spread evenly over
// all pods. The calls begin when Envoy is ready, so it must know and have checked all pods by then.
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

	p.dns.Set(podsName, p.hosts[0], p.hosts[1])
	expect("the third pod left DNS but answers health checks", true, true, false)

	p.dns.Set(podsName, p.hosts...)
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

// TestSickPodsGetNothing has fewer and fewer healthy pods. By default Envoy calls
// unhealthy ones again when fewer than half are healthy; here it does when none is.
func TestSickPodsGetNothing(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	connection := p.dial(t)
	sicken := func(b *backend) { b.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING) }

	sicken(p.backends[0])
	sicken(p.backends[1])
	p.healthy(t, 1)
	if shares := p.take(t, connection, 60); shares[2] != 60 {
		t.Errorf("60 calls were shared as %d, want all of them for the third, the only healthy pod", shares)
	}

	sicken(p.backends[2])
	p.healthy(t, 0)
	if shares := p.take(t, connection, 60); shares[0] == 0 || shares[1] == 0 || shares[2] == 0 {
		t.Errorf("without a healthy pod, 60 calls were shared as %d, want some for each", shares)
	}
}

// TestTheOnlyHealthyPodIsNotLost has one method fail at the only pod that is left.
func TestTheOnlyHealthyPodIsNotLost(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	connection := p.dial(t)
	for _, b := range p.backends[:2] {
		b.server.Stop()
	}
	p.healthy(t, 1)
	p.backends[2].answer(func(stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method == ticks {
			return status.Error(codes.Unavailable, "as the test wants")
		}
		return stream.SendMsg(&emptypb.Empty{})
	})
	for range 20 {
		_ = callTicks(t.Context(), connection)
	}
	p.stat(t, callLimit, "cluster.probe.outlier_detection.ejections_active", 1)
	for range 20 {
		if err := callCount(t.Context(), connection); err != nil {
			t.Errorf("a call of another method: %v", err)
		}
	}
}

// healthy waits until Envoy knows of so many healthy pods.
func (p *pods) healthy(t *testing.T, n int) {
	t.Helper()
	p.stat(t, noticeLimit, "cluster.probe.membership_healthy", int64(n))
}

// TestLeastRequest makes one pod hold its calls for a long time. By round robin it would get a
// third of all calls.
func TestLeastRequest(t *testing.T) {
	t.Parallel()
	p := startPodsWith(t, func(_ *nameserver.Server, c *envoy.Config) { c.LeastRequest = true })
	p.backends[0].answer(func(stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return stream.Context().Err()
	})
	connection := p.dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var held atomic.Int64
	for range 60 {
		done := make(chan struct{})
		wait.Go(func() {
			defer close(done)
			if callCount(ctx, connection) != nil {
				held.Add(1)
			}
		})
		select {
		case <-done:
		case <-time.After(100 * time.Millisecond):
		}
	}
	cancel()
	wait.Wait()
	// The first call that comes to the pod is held, and no other: calls come one
	// after the other, so there is always a pod without any.
	if got := held.Load(); got != 1 {
		t.Errorf("the busy pod got %d of 60 calls, want 1", got)
	}
}

// TestSlowStart adds a pod to two that have been there for long.
func TestSlowStart(t *testing.T) {
	t.Parallel()
	const window = 10 * time.Second // slowStart in package envoy
	p := startPods(t)
	connection := p.dial(t)
	p.dns.Set(podsName, p.hosts[0], p.hosts[1])
	p.healthy(t, 2)
	time.Sleep(window)

	p.dns.Set(podsName, p.hosts...)
	p.healthy(t, 3)
	if shares := p.take(t, connection, 300); shares[2] < 1 || shares[2] > 60 {
		t.Errorf("300 calls were shared as %d, want 1 to 60 for the third pod, which is new", shares)
	}
	eventually(t, 2*window, func() error {
		shares := p.take(t, connection, 300)
		if shares[2] < 90 {
			return fmt.Errorf("300 calls were shared as %d, want the third pod to have its part in the end", shares)
		}
		return nil
	})
}

// TestCircuitBreaker makes more concurrent calls than the limit allows.
func TestCircuitBreaker(t *testing.T) {
	t.Parallel()
	const limit = 5
	var arrived atomic.Int64
	release := make(chan struct{})
	config := httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "0")
	})
	config.MaxConnections = limit
	e := start(t, config)
	connection := e.dial(t)
	var wait sync.WaitGroup
	for range limit {
		wait.Go(func() { _ = callCount(t.Context(), connection) })
	}
	e.stat(t, callLimit, "cluster.probe.upstream_rq_active", limit)
	if err := callCount(t.Context(), connection); status.Code(err) != codes.Unavailable {
		t.Errorf("call %d = %v, want UNAVAILABLE", limit+1, err)
	}
	e.stat(t, callLimit, "cluster.probe.upstream_rq_active_overflow", 1)
	if got := arrived.Load(); got != limit {
		t.Errorf("%d calls reached the backend, want %d", got, limit)
	}
	close(release)
	wait.Wait()
	e.stat(t, callLimit, "cluster.probe.upstream_rq_active", 0)
}

// stat waits until the counter or gauge of Envoy has the value.
func (e *edge) stat(t *testing.T, limit time.Duration, name string, want int64) {
	t.Helper()
	eventually(t, limit, func() error {
		_, got, err := get(http.MethodGet, e.adminURL("/stats?filter=^"+name+"$"))
		if err == nil && got != fmt.Sprintf("%s: %d\n", name, want) {
			err = fmt.Errorf("Envoy counts %q, want %d", got, want)
		}
		return err
	})
}

// TestVanishedPod cuts a pod's network while it has a call under way: nothing
// comes back any more, not even a reset.
func TestVanishedPod(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	began := make(chan struct{}, 1)
	backend.answer(func(stream grpc.ServerStream) error {
		began <- struct{}{}
		<-stream.Context().Done()
		return stream.Context().Err()
	})
	line := newLine(t, config.Backends[0].Port)
	config.Backends[0].Port = line.port
	e := start(t, config)
	e.expectProbes(t, line.port)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	connection := e.dial(t)
	go func() { ended <- connection.Invoke(ctx, count, &emptypb.Empty{}, &emptypb.Empty{}) }()
	<-began
	line.cut.Store(true)
	if err := <-ended; status.Code(err) != codes.Unavailable {
		t.Errorf("the call at a pod that vanished = %v, want UNAVAILABLE", err)
	}
}

// expectProbes looks for TCP's own probes on Envoy's connections to the port.
func (e *edge) expectProbes(t *testing.T, port uint32) {
	t.Helper()
	// sl local_address rem_address st tx_queue:rx_queue tr:tm->when; a connection
	// in state 01 is established, and timer 02 is that of keepalive, unless
	// something waits for retransmission (Linux, Documentation/networking/proc_net_tcp.rst).
	probed := regexp.MustCompile(fmt.Sprintf(`(?m)^ *\d+: [0-9A-F]+:[0-9A-F]+ 0100007F:%04X 01 [0-9A-F:]+ 02:`, port))
	eventually(t, callLimit, func() error {
		sockets, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", e.process.Pid))
		if err == nil && !probed.Match(sockets) {
			err = fmt.Errorf("no connection to port %d has a keepalive timer", port)
		}
		return err
	})
}

// line is a TCP proxy in front of a backend.
type line struct {
	port uint32
	cut  atomic.Bool // bytes are lost, both ways
}

func newLine(t *testing.T, to uint32) *line {
	t.Helper()
	l := &line{port: freePort(t)}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", l.port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				_ = near.Close()
				continue
			}
			go l.carry(far, near)
			go l.carry(near, far)
		}
	}()
	return l
}

func (l *line) carry(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if l.cut.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
