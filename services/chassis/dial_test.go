package chassis

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/services/chassis/chassistest"
)

// patience bounds the tests that wait for DNS to be asked again, many times on a busy machine.
const patience = 2 * time.Minute

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// cluster runs the DNS server and the pods of one called service. The pods have
// different addresses and the same port.
type cluster struct {
	t      *testing.T
	subnet string // the first three numbers of the pods' addresses
	port   string
	dns    *chassistest.DNS
}

// subnets counts the clusters: each has loopback addresses of its own.
var subnets atomic.Int32

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dns: chassistest.StartDNS(t), subnet: fmt.Sprintf("127.0.%d", 100+subnets.Add(1))}
	free, err := net.Listen("tcp", c.address(1)+":0")
	if err != nil {
		t.Fatal(err)
	}
	_, c.port, _ = net.SplitHostPort(free.Addr().String())
	free.Close()
	return c
}

// address returns that of the n-th pod.
func (c *cluster) address(n int) string { return fmt.Sprintf("%s.%d", c.subnet, n) }

// name lists the pods in DNS, in place of those that were there.
func (c *cluster) name(pods ...int) {
	var records []string
	for _, n := range pods {
		records = append(records, c.address(n))
	}
	c.dns.Set(records...)
}

// start starts the n-th pod. Its answers have its number as the user name.
func (c *cluster) start(n int, t termination) *running {
	return c.serve(n, t, handlers{
		unary: func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			return &grpc_testing.SimpleResponse{Username: fmt.Sprint(n)}, nil
		},
	})
}

func (c *cluster) serve(n int, t termination, h handlers) *running {
	c.t.Helper()
	return startAt(c.t, net.JoinHostPort(c.address(n), c.port), settings{termination: t}, h)
}

// environment returns variables as the platform sets them, with the cluster's DNS server.
func (c *cluster) environment() func(string) string {
	return getenv(map[string]string{
		"REVERSE_TARGET": c.dns.Target("reverse.grpc-edge.svc.cluster.local.", c.port),
	})
}

// dial returns a connection of Dial.
func (c *cluster) dial() *grpc.ClientConn {
	c.t.Helper()
	connection, err := dial(c.environment(), "reverse")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { connection.Close() })
	return connection
}

// calls makes calls and counts the answers of each pod.
func calls(ctx context.Context, t *testing.T, client grpc_testing.TestServiceClient, count int) map[string]int {
	t.Helper()
	answers := map[string]int{}
	for range count {
		reply, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
		if err != nil {
			t.Fatalf("after answers of %v: %v", answers, err)
		}
		answers[reply.GetUsername()]++
	}
	return answers
}

// callUntil makes calls until a round of them is answered by exactly these pods.
func callUntil(ctx context.Context, t *testing.T, client grpc_testing.TestServiceClient, pods ...string) {
	t.Helper()
	for ctx.Err() == nil {
		got := slices.Sorted(maps.Keys(calls(ctx, t, client, 30)))
		if slices.Equal(got, pods) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("calls are not answered by just the pods %v", pods)
}

func TestTargetVariable(t *testing.T) {
	t.Parallel()
	for service, want := range map[string]string{"reverse": "REVERSE_TARGET", "price-list": "PRICE_LIST_TARGET", "users2": "USERS2_TARGET"} {
		if got := targetVariable(service); got != want {
			t.Errorf("targetVariable(%q) = %s, want %s", service, got, want)
		}
	}
}

func TestDialSaysThatTheAddressIsMissing(t *testing.T) {
	t.Parallel()
	_, err := dial(getenv(nil), "price-list")
	if err == nil || !strings.Contains(err.Error(), "PRICE_LIST_TARGET is not set: name price-list in `calls`") {
		t.Errorf("dial() = %v, want an error that names the variable and the key", err)
	}
}

// TestDialBalancesOverThePodsThereAre scales the called service up and down, while no
// connection breaks.
func TestDialBalancesOverThePodsThereAre(t *testing.T) {
	t.Parallel()
	ctx, c := patient(t), newCluster(t)
	for n := 1; n <= 3; n++ {
		c.start(n, termination{})
	}
	client := grpc_testing.NewTestServiceClient(c.dial())
	for _, step := range []struct {
		named []int
		want  []string
	}{
		{[]int{1, 2}, []string{"1", "2"}},
		{[]int{1, 2, 3}, []string{"1", "2", "3"}},
		{[]int{2, 3}, []string{"2", "3"}},
	} {
		c.name(step.named...)
		callUntil(ctx, t, client, step.want...)
		const each = 200
		for pod, got := range calls(ctx, t, client, each*len(step.want)) {
			if got < each*9/10 || got > each*11/10 {
				t.Errorf("with pods %v, pod %s answered %d calls, want about %d", step.want, pod, got, each)
			}
		}
	}
}

// TestDialSkipsAPodThatIsNotHealthy has a pod stop being healthy. It gets no more calls, although
// DNS lists it and it would still answer.
func TestDialSkipsAPodThatIsNotHealthy(t *testing.T) {
	t.Parallel()
	ctx, c := patient(t), newCluster(t)
	leaving := c.start(1, termination{wait: 2 * time.Second, drain: timeout / 2})
	c.start(2, termination{})
	c.name(1, 2)
	client := grpc_testing.NewTestServiceClient(c.dial())
	callUntil(ctx, t, client, "1", "2")

	leaving.sigterm()
	callUntil(ctx, t, client, "2")
	if _, err := leaving.client().UnaryCall(ctx, &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("the pod itself answers %v, so that this test shows nothing", err)
	}
}

// load makes calls without a pause, and counts their ends.
type load struct {
	done   sync.WaitGroup
	count  atomic.Int64
	failed atomic.Int64
	mu     sync.Mutex
	errors []error
}

// start begins calls, one after another, in a goroutine each for unary calls and streams.
func (l *load) start(ctx context.Context, client grpc_testing.TestServiceClient) {
	for range 4 {
		l.repeat(ctx, func(ctx context.Context) error {
			_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
			return err
		})
		l.repeat(ctx, func(ctx context.Context) error {
			stream, err := client.FullDuplexCall(ctx)
			if err != nil {
				return err
			}
			_, err = stream.Recv()
			if err == nil {
				err = stream.CloseSend()
			}
			return err
		})
	}
}

func (l *load) repeat(ctx context.Context, call func(context.Context) error) {
	l.done.Go(func() {
		for ctx.Err() == nil {
			// A call under way when the load ends may finish.
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			err := call(bounded)
			cancel()
			l.count.Add(1)
			if err != nil {
				l.failed.Add(1)
				l.mu.Lock()
				l.errors = append(l.errors, err)
				l.mu.Unlock()
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// TestDialIsNotBrokenByARollout replaces every pod and scales down, as Kubernetes
// does: a new pod is in DNS before an old one stops, and one that stops is in DNS for
// longer than it serves, as answers are cached. The methods may not be retried.
func TestDialIsNotBrokenByARollout(t *testing.T) {
	t.Parallel()
	ctx, c := patient(t), newCluster(t)
	budget := termination{wait: 300 * time.Millisecond, drain: timeout / 2}
	pods := map[int]*running{1: c.start(1, budget), 2: c.start(2, budget)}
	c.name(1, 2)
	client := grpc_testing.NewTestServiceClient(c.dial())
	callUntil(ctx, t, client, "1", "2")
	working, end := context.WithCancel(ctx)
	l := &load{}
	l.start(working, client)

	listed := []int{1, 2}
	replace := func(old int) {
		pods[old].stop() // returns when it is gone; DNS still has it
		callUntil(ctx, t, client, numbers(slices.DeleteFunc(slices.Clone(listed), func(n int) bool { return n == old }))...)
		listed = slices.DeleteFunc(listed, func(n int) bool { return n == old })
		c.name(listed...)
	}
	for old := 1; old <= 2; old++ {
		added := old + 2
		pods[added] = c.start(added, budget)
		listed = append(listed, added)
		c.name(listed...)
		callUntil(ctx, t, client, numbers(listed)...)
		replace(old)
	}
	replace(3) // scales down to the last one
	end()
	l.done.Wait()
	if l.count.Load() < 1000 || l.failed.Load() != 0 {
		t.Errorf("of %d calls, %d failed, want none of at least 1000: %v", l.count.Load(), l.failed.Load(), l.errors)
	}
	t.Logf("%d calls, %d failed", l.count.Load(), l.failed.Load())
}

func numbers(pods []int) []string {
	var names []string
	for _, n := range pods {
		names = append(names, fmt.Sprint(n))
	}
	slices.Sort(names)
	return names
}

// TestDialWaitsForAPod calls before there is one, and then when there is none again.
func TestDialWaitsForAPod(t *testing.T) {
	t.Parallel()
	ctx, c := patient(t), newCluster(t)
	client := grpc_testing.NewTestServiceClient(c.dial())
	answered := make(chan error, 1)
	go func() {
		_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
		answered <- err
	}()
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_, err := client.UnaryCall(short, &grpc_testing.SimpleRequest{})
	if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "no healthy pod behind REVERSE_TARGET=dns://") {
		t.Errorf("a call without a pod ends with %v, want DEADLINE_EXCEEDED that names the target", err)
	}
	c.start(1, termination{})
	c.name(1)
	if err := <-answered; err != nil {
		t.Errorf("a call before there was a pod ends with %v, want an answer", err)
	}
}
