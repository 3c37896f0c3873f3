package loadbalancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

const (
	reserved        = "198.51.100.10"
	healthPort      = 32000
	foreign         = "example.com/keep"
	rule            = "a1234" // of service's UID
	reconcileWithin = 20 * time.Second
)

// calls plays the cloud and the router and notes what it is asked, in order.
type calls struct {
	mu   sync.Mutex
	list []string
	fail string // a call that begins with this fails
}

func (c *calls) note(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := fmt.Sprintf(format, args...)
	if c.fail != "" && strings.HasPrefix(call, c.fail) {
		return errors.New("busy")
	}
	c.list = append(c.list, call)
	return nil
}

func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

func (c *calls) Reserved(name string) (netip.Addr, error) {
	if name != "edge" {
		return netip.Addr{}, fmt.Errorf("the address %s is not reserved", name)
	}
	return netip.MustParseAddr(reserved), nil
}

func (c *calls) Forward(rule string, address netip.Addr, ports []int32) error {
	return c.note("forward %s %s %v", rule, address, ports)
}

func (c *calls) Unforward(rule string) error { return c.note("unforward %s", rule) }

func (c *calls) Balance(destination netip.Addr, next ...netip.Addr) error {
	return c.note("route %s/32 %v", destination, next)
}

func service(change func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: "edge", Namespace: "edge", UID: "1-23-4", Finalizers: []string{foreign},
			Annotations: map[string]string{addressAnnotation: "edge"},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, HealthCheckNodePort: healthPort, Ports: []corev1.ServicePort{{Port: 443}, {Port: 80}},
		},
	}
	change(s)
	return s
}

func unchanged(*corev1.Service) {}

func node(name, address string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: address},
		}},
	}
}

// health serves the health check of nodes, each by its address.
type health map[string]*atomic.Int32

func serveHealth(t *testing.T, status map[string]int) (health, *http.Client) {
	t.Helper()
	h, servers := health{}, map[string]string{}
	for address, code := range status {
		answer := &atomic.Int32{}
		answer.Store(int32(code))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/healthz" {
				t.Errorf("got a request for %s, want /healthz", r.URL.Path)
			}
			w.WriteHeader(int(answer.Load()))
		}))
		t.Cleanup(server.Close)
		h[address], servers[net.JoinHostPort(address, fmt.Sprint(healthPort))] = answer, server.Listener.Addr().String()
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		server, ok := servers[address]
		if !ok {
			return nil, fmt.Errorf("no node at %s", address)
		}
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}
	return h, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	_, client := serveHealth(t, map[string]int{"10.0.0.2": 503, "10.0.0.3": 200, "10.0.0.4": 200})
	nodes := []*corev1.Node{
		node("c", "10.0.0.4"), node("a", "10.0.0.2"), node("b", "10.0.0.3"), node("gone", "10.0.0.9"), node("new", "not yet"),
		{ObjectMeta: metav1.ObjectMeta{Name: "empty"}},
	}
	forward := "forward a1234 198.51.100.10 [443 80]"
	tests := map[string]struct {
		change     func(*corev1.Service)
		fail       string
		err        string
		calls      []string
		finalizers []string
		ingress    string
	}{
		"reserved address": {
			change: unchanged, calls: []string{forward, "route 198.51.100.10/32 [10.0.0.3 10.0.0.4]"},
			finalizers: []string{foreign, finalizer}, ingress: reserved,
		},
		"without a health check": {
			change:     func(s *corev1.Service) { s.Spec.HealthCheckNodePort = 0 },
			calls:      []string{forward, "route 198.51.100.10/32 [10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.9]"},
			finalizers: []string{foreign, finalizer}, ingress: reserved,
		},
		"loadBalancerIP": {
			change: func(s *corev1.Service) { s.Annotations, s.Spec.LoadBalancerIP = nil, "198.51.100.11" },
			calls: []string{
				"forward a1234 198.51.100.11 [443 80]", "route 198.51.100.11/32 [10.0.0.3 10.0.0.4]",
			},
			finalizers: []string{foreign, finalizer}, ingress: "198.51.100.11",
		},
		"unknown address": {
			change: func(s *corev1.Service) { s.Annotations[addressAnnotation] = "nowhere" },
			err:    "the address nowhere is not reserved", finalizers: []string{foreign},
		},
		"no address": {
			change: func(s *corev1.Service) { s.Annotations = nil },
			err:    addressAnnotation, finalizers: []string{foreign},
		},
		"forwarding rule refused": {
			change: unchanged, fail: "forward", err: "busy", finalizers: []string{foreign, finalizer},
		},
		"route refused": {
			change: unchanged, fail: "route", err: "busy", calls: []string{forward}, finalizers: []string{foreign, finalizer},
		},
		"deleted": {
			change: deleted, calls: []string{"route 198.51.100.10/32 []", "unforward a1234"},
			finalizers: []string{foreign}, ingress: reserved,
		},
		"deleted before it had a status": {
			change: func(s *corev1.Service) { deleted(s); s.Status = corev1.ServiceStatus{} },
			calls:  []string{"route 198.51.100.10/32 []", "unforward a1234"}, finalizers: []string{foreign},
		},
		"deleted with the address gone": {
			change: func(s *corev1.Service) { deleted(s); s.Annotations[addressAnnotation] = "nowhere" },
			calls:  []string{"route 198.51.100.10/32 []", "unforward a1234"}, finalizers: []string{foreign}, ingress: reserved,
		},
		"no longer a load balancer": {
			change: func(s *corev1.Service) {
				deleted(s)
				s.DeletionTimestamp, s.Spec.Type = nil, corev1.ServiceTypeClusterIP
			},
			calls: []string{"route 198.51.100.10/32 []", "unforward a1234"}, finalizers: []string{foreign}, ingress: reserved,
		},
		"deletion keeps the Service while the rule is in use": {
			change: deleted, fail: "unforward", err: "busy",
			calls: []string{"route 198.51.100.10/32 []"}, finalizers: []string{foreign, finalizer}, ingress: reserved,
		},
		"deletion keeps the rule while the address is routed": {
			change: deleted, fail: "route", err: "busy", finalizers: []string{foreign, finalizer}, ingress: reserved,
		},
		"deleted and released": {
			change:     func(s *corev1.Service) { deleted(s); s.Finalizers = []string{foreign} },
			finalizers: []string{foreign}, ingress: reserved,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, s, made := t.Context(), service(test.change), &calls{fail: test.fail}
			cluster := fake.NewClientset(s)
			c := &Controller{Client: cluster, Cloud: made, Router: made, Health: client, routes: map[types.UID]route{}}
			if slices.Contains(s.Finalizers, finalizer) {
				c.routes[s.UID] = route{address: netip.MustParseAddr(reserved)} // as if this controller had routed it
			}
			err := c.reconcile(ctx, s.DeepCopy(), nodes)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(test.calls, made.take()); diff != "" {
				t.Errorf("calls differ (-want +got):\n%s", diff)
			}
			got, err := cluster.CoreV1().Services("edge").Get(ctx, "edge", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.finalizers, got.Finalizers); diff != "" {
				t.Errorf("finalizers differ (-want +got):\n%s", diff)
			}
			if ip := ingress(got); ip != test.ingress {
				t.Errorf("got ingress address %q, want %q", ip, test.ingress)
			}
		})
	}
}

// deleted turns a working load balancer into one that its user has deleted.
func deleted(s *corev1.Service) {
	now := metav1.Now()
	s.DeletionTimestamp, s.Finalizers = &now, append(s.Finalizers, finalizer)
	s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: reserved}}
}

func ingress(s *corev1.Service) string {
	if len(s.Status.LoadBalancer.Ingress) == 0 {
		return ""
	}
	return s.Status.LoadBalancer.Ingress[0].IP
}

// TestRun follows one load balancer from its Service's creation to its deletion.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	made := &calls{}
	status, client := serveHealth(t, map[string]int{"10.0.0.2": 200, "10.0.0.3": 503})
	internal := service(func(s *corev1.Service) {
		s.Name, s.Spec.Type, s.Finalizers = "internal", corev1.ServiceTypeClusterIP, nil
	})
	cluster := fake.NewClientset(service(unchanged), internal, node("a", "10.0.0.2"), node("b", "10.0.0.3"))
	watched := signalWatches(cluster)
	c := &Controller{Client: cluster, Cloud: made, Router: made, Health: client}
	ended := make(chan struct{})
	go func() { c.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	// Watchers of the fake never learn of changes from before they watch.
	for range 2 {
		<-watched
	}
	want(t, made, "forward a1234 198.51.100.10 [443 80]", "route 198.51.100.10/32 [10.0.0.2]")
	status["10.0.0.3"].Store(200)
	want(t, made, "route 198.51.100.10/32 [10.0.0.2 10.0.0.3]")
	status["10.0.0.2"].Store(503)
	want(t, made, "route 198.51.100.10/32 [10.0.0.3]")
	status["10.0.0.3"].Store(503)
	want(t, made, "route 198.51.100.10/32 []")

	s, err := cluster.CoreV1().Services("edge").Get(ctx, "edge", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ingress(s); got != reserved {
		t.Errorf("got ingress address %q, want %s", got, reserved)
	}
	now := metav1.Now()
	s.DeletionTimestamp = &now // the fake would not wait for finalizers
	if _, err := cluster.CoreV1().Services("edge").Update(ctx, s, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	want(t, made, "route 198.51.100.10/32 []", "unforward a1234")
}

// TestRunReports has a Service say why it gets no address.
func TestRunReports(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	made := &calls{fail: "route"}
	_, client := serveHealth(t, nil)
	cluster := fake.NewClientset(service(unchanged))
	c := &Controller{Client: cluster, Cloud: made, Router: made, Health: client}
	ended := make(chan struct{})
	go func() { c.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	var events *corev1.EventList
	for deadline := time.Now().Add(reconcileWithin); time.Now().Before(deadline) && (events == nil || len(events.Items) == 0); time.Sleep(10 * time.Millisecond) {
		var err error
		if events, err = cluster.CoreV1().Events("edge").List(ctx, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(events.Items) == 0 || events.Items[0].InvolvedObject.Name != "edge" || events.Items[0].Message != "Error syncing load balancer: busy" {
		t.Errorf("the events are %+v, want one that says why", events.Items)
	}
}

// signalWatches sends the name of each resource once it is watched.
func signalWatches(cluster *fake.Clientset) <-chan string {
	watched := make(chan string, 10)
	cluster.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		w, err := cluster.Tracker().Watch(action.GetResource(), action.GetNamespace())
		watched <- action.GetResource().Resource
		return true, w, err
	})
	return watched
}

// want waits for exactly these calls, among repeated forwards, which leave a rule as it is.
func want(t *testing.T, made *calls, wanted ...string) {
	t.Helper()
	var got []string
	forwarded := wanted[0][0] == 'f'
	for deadline := time.Now().Add(reconcileWithin); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, call := range made.take() {
			if strings.HasPrefix(call, "forward") && (!forwarded || slices.Contains(got, call)) {
				continue
			}
			got = append(got, call)
		}
		if len(got) >= len(wanted) {
			break
		}
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Fatalf("calls differ (-want +got):\n%s", diff)
	}
}

// TestSilentNodes checks that a healthy node keeps its route through two unanswered health checks,
// and that a node which has never answered is not healthy.
func TestSilentNodes(t *testing.T) {
	t.Parallel()
	c := &Controller{Health: &http.Client{Transport: silent{}}}
	node := netip.MustParseAddr("10.0.0.2")
	for i, want := range []bool{true, true, false} {
		if got := c.healthy(t.Context(), node, healthPort, true); got != want {
			t.Errorf("unanswered check %d: healthy = %t, want %t", i+1, got, want)
		}
	}
	if c.healthy(t.Context(), netip.MustParseAddr("10.0.0.3"), healthPort, false) {
		t.Error("a node that never answered is healthy")
	}
}

// silent answers no request.
type silent struct{}

func (silent) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no answer") }
