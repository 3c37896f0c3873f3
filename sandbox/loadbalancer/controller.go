// Package loadbalancer stands in for GKE's service controller for external passthrough
// Network Load Balancers. A Service of type LoadBalancer gets its reserved address and a
// forwarding rule. The address is routed to the nodes whose health check says that they
// have a ready pod, each flow to one node.
package loadbalancer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	clientcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

const (
	// addressAnnotation names the reserved addresses of a Service ("LoadBalancer Service parameters").
	addressAnnotation = "networking.gke.io/load-balancer-ip-addresses"
	// fieldManager is the name of Kubernetes' service controller.
	fieldManager = "service-controller"
	// finalizer keeps a deleted Service until its forwarding rule has gone.
	finalizer = "service.kubernetes.io/load-balancer-cleanup"
	// checkInterval of node health: GKE checks every 3 s; a laptop need not wait as long.
	checkInterval = 500 * time.Millisecond
	// silentChecks is the number of checks in a row that a healthy node may leave unanswered
	// before it gets no more connections ("Health checks overview", unhealthy threshold). A
	// node that answers that it is unhealthy gets none from then on.
	silentChecks = 3
)

// Cloud is the part of the emulated cloud that the controller uses.
type Cloud interface {
	// Reserved returns the address that is reserved under a name.
	Reserved(name string) (netip.Addr, error)
	// Forward makes the forwarding rule of a load balancer, or leaves it as it is.
	Forward(rule string, address netip.Addr, ports []int32) error
	// Unforward deletes a forwarding rule.
	Unforward(rule string) error
}

// Router sends the connections to an address to nodes: new ones only to those at next.
type Router interface {
	Balance(destination netip.Addr, next ...netip.Addr) error
}

// Controller reconciles one cluster's Services.
type Controller struct {
	Client kubernetes.Interface
	Cloud  Cloud
	Router Router
	// Health asks nodes for their health; it must reach their addresses.
	Health *http.Client

	routes map[types.UID]route // by Service
	silent map[netip.Addr]int  // checks in a row that a node left unanswered
}

// route is an address and the nodes that it is routed to.
type route struct {
	address netip.Addr
	nodes   []netip.Addr
}

// Run reconciles until ctx ends.
func (c *Controller) Run(ctx context.Context) {
	c.routes = map[types.UID]route{}
	factory := informers.NewSharedInformerFactory(c.Client, 0)
	services, nodes := factory.Core().V1().Services(), factory.Core().V1().Nodes()
	wake := make(chan struct{}, 1)
	changed := func(any) {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: changed, UpdateFunc: func(_, o any) { changed(o) }, DeleteFunc: changed}
	if _, err := services.Informer().AddEventHandler(handler); err != nil {
		slog.Error("watching services", "error", err)
		return
	}
	nodeList := nodes.Lister()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	events, stop := c.events()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-tick.C:
		}
		all, err := services.Lister().List(labels.Everything())
		if err != nil {
			continue
		}
		known, err := nodeList.List(labels.Everything())
		if err != nil {
			continue
		}
		for _, s := range all {
			if s.Spec.Type != corev1.ServiceTypeLoadBalancer && !slices.Contains(s.Finalizers, finalizer) {
				continue
			}
			err := c.reconcile(ctx, s.DeepCopy(), known)
			if err == nil || ctx.Err() != nil || apierrors.IsConflict(err) { // with a newer Service it is tried again
				continue
			}
			slog.Warn("reconciling load balancer", "service", s.Namespace+"/"+s.Name, "error", err)
			events.Eventf(s, corev1.EventTypeWarning, "SyncLoadBalancerFailed", "Error syncing load balancer: %v", err)
		}
	}
}

// events returns the recorder of events and a function that stops it. The recorder has the name
// that Kubernetes' service controller gives to its own (k8s.io/cloud-provider, controllers/service).
func (c *Controller) events() (recorder record.EventRecorder, stop func()) {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&clientcorev1.EventSinkImpl{Interface: c.Client.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: fieldManager}), broadcaster.Shutdown
}

// ruleName returns the name of a Service's forwarding rule: "a" and the UID without dashes, as on GKE.
func ruleName(s *corev1.Service) string {
	name := []byte("a")
	for _, b := range []byte(s.UID) {
		if b != '-' {
			name = append(name, b)
		}
	}
	return string(name)
}

func (c *Controller) reconcile(ctx context.Context, s *corev1.Service, nodes []*corev1.Node) error {
	if s.DeletionTimestamp != nil || s.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return c.release(ctx, s)
	}
	address, err := c.address(s)
	if err != nil {
		return err
	}
	var ports []int32
	for _, p := range s.Spec.Ports {
		ports = append(ports, p.Port)
	}
	if !slices.Contains(s.Finalizers, finalizer) {
		if err := c.setFinalizers(ctx, s, append(s.Finalizers, finalizer)); err != nil {
			return err
		}
	}
	if err := c.Cloud.Forward(ruleName(s), address, ports); err != nil {
		return err
	}
	if err := c.route(ctx, s, address, nodes); err != nil {
		return err
	}
	if in := s.Status.LoadBalancer.Ingress; len(in) == 1 && in[0].IP == address.String() {
		return nil
	}
	mode := corev1.LoadBalancerIPModeVIP
	s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address.String(), IPMode: &mode}}
	_, err = c.Client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, s, metav1.UpdateOptions{FieldManager: fieldManager})
	return err
}

func (c *Controller) address(s *corev1.Service) (netip.Addr, error) {
	if name := s.Annotations[addressAnnotation]; name != "" {
		return c.Cloud.Reserved(name)
	}
	if s.Spec.LoadBalancerIP != "" {
		return netip.ParseAddr(s.Spec.LoadBalancerIP)
	}
	return netip.Addr{}, fmt.Errorf("the Service names no reserved address (annotation %s), and the sandbox hands out no ephemeral ones", addressAnnotation)
}

// route points the address at the healthy nodes, when they changed.
func (c *Controller) route(ctx context.Context, s *corev1.Service, address netip.Addr, nodes []*corev1.Node) error {
	healthy := []netip.Addr{}
	old, routed := c.routes[s.UID]
	for _, n := range nodes {
		a, ok := internalAddress(n)
		if ok && (s.Spec.HealthCheckNodePort == 0 || c.healthy(ctx, a, s.Spec.HealthCheckNodePort, slices.Contains(old.nodes, a))) {
			healthy = append(healthy, a)
		}
	}
	slices.SortFunc(healthy, netip.Addr.Compare)
	if routed && old.address == address && slices.Equal(old.nodes, healthy) {
		return nil
	}
	slog.Info("load balancer backends", "address", address, "nodes", healthy)
	if err := c.Router.Balance(address, healthy...); err != nil {
		return err
	}
	c.routes[s.UID] = route{address, healthy}
	return nil
}

// healthy reports whether a node has a ready pod. A node that was healthy may leave some
// checks unanswered.
func (c *Controller) healthy(ctx context.Context, node netip.Addr, port int32, was bool) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/healthz", node, port), nil)
	if err != nil {
		return false
	}
	response, err := c.Health.Do(request)
	if c.silent == nil {
		c.silent = map[netip.Addr]int{}
	}
	if err != nil {
		c.silent[node]++
		return was && c.silent[node] < silentChecks
	}
	c.silent[node] = 0
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (c *Controller) release(ctx context.Context, s *corev1.Service) error {
	if !slices.Contains(s.Finalizers, finalizer) {
		return nil
	}
	addresses := map[netip.Addr]bool{}
	for _, in := range s.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(in.IP); err == nil {
			addresses[address] = true
		}
	}
	if routed, ok := c.routes[s.UID]; ok { // the status may not have been written yet
		addresses[routed.address] = true
	}
	for address := range addresses {
		if err := c.Router.Balance(address); err != nil {
			return err
		}
	}
	delete(c.routes, s.UID)
	if err := c.Cloud.Unforward(ruleName(s)); err != nil {
		return err
	}
	return c.setFinalizers(ctx, s, slices.DeleteFunc(s.Finalizers, func(f string) bool { return f == finalizer }))
}

func (c *Controller) setFinalizers(ctx context.Context, s *corev1.Service, finalizers []string) error {
	patch := []byte(`{"metadata":{"resourceVersion":"` + s.ResourceVersion + `","finalizers":[`)
	for i, f := range finalizers {
		if i > 0 {
			patch = append(patch, ',')
		}
		patch = fmt.Appendf(patch, "%q", f)
	}
	patch = append(patch, "]}}"...)
	updated, err := c.Client.CoreV1().Services(s.Namespace).Patch(ctx, s.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err == nil {
		s.ResourceVersion, s.Finalizers = updated.ResourceVersion, updated.Finalizers
	}
	return err
}

func internalAddress(n *corev1.Node) (netip.Addr, bool) {
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			address, err := netip.ParseAddr(a.Address)
			return address, err == nil
		}
	}
	return netip.Addr{}, false
}
