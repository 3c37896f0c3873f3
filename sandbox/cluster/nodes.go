package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/networkpolicy"
	"example.com/grpc-edge/sandbox/node/vm"
)

// nodeReadyTimeout is generous: a loaded laptop pulls and starts everything at once.
const nodeReadyTimeout = 5 * time.Minute

// StartNodes implements container.Runtime: the pool gets exactly pool.Count ready nodes.
func (r *Runtime) StartNodes(ctx context.Context, pool container.NodePoolSpec) error {
	r.mu.Lock()
	c, ok := r.clusters[pool.Cluster]
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("starting nodes of pool %s: the cluster %s is not running", pool.Name, pool.Cluster)
	}
	wanted := placed(pool)
	for _, name := range c.misplaced(pool) {
		if err := r.stopNode(c, name); err != nil {
			return err
		}
	}
	names := slices.Sorted(maps.Keys(wanted))
	for _, name := range names {
		if c.hasNode(name) {
			continue
		}
		if err := r.startNode(c, pool, name, wanted[name]); err != nil {
			return fmt.Errorf("starting node %s: %w", name, err)
		}
	}
	for _, name := range names {
		if err := c.joinNode(ctx, r, name); err != nil {
			return fmt.Errorf("waiting for node %s: %w; its logs are in %s", name, err, c.nodeDir(name))
		}
	}
	return nil
}

// placed returns the zones of a pool's nodes by the nodes' names, spread evenly. A node whose
// zone has left the pool is recreated in another zone, as on GKE, where a node never leaves its
// zone's instance group.
func placed(pool container.NodePoolSpec) map[string]string {
	zones := map[string]string{}
	for i := range pool.Count {
		zones[nodeName(pool, i)] = pool.Zones[i%len(pool.Zones)]
	}
	return zones
}

// misplaced returns the names of a pool's running nodes that the pool no longer has, or has in
// another zone.
func (c *Cluster) misplaced(pool container.NodePoolSpec) []string {
	wanted := placed(pool)
	var names []string
	for _, n := range c.runningNodes() {
		if n.pool.Name == pool.Name && wanted[n.name] != n.zone {
			names = append(names, n.name)
		}
	}
	return names
}

// StopNodes implements container.Runtime.
func (r *Runtime) StopNodes(_ context.Context, cluster, pool string) error {
	r.mu.Lock()
	c, ok := r.clusters[cluster]
	r.mu.Unlock()
	if !ok {
		return nil
	}
	var errs []error
	for _, n := range c.runningNodes() {
		if n.pool.Name == pool {
			errs = append(errs, r.stopNode(c, n.name))
		}
	}
	return errors.Join(errs...)
}

func nodeName(pool container.NodePoolSpec, i int) string {
	return fmt.Sprintf("gke-%s-%s-%d", pool.Cluster, pool.Name, i)
}

func (c *Cluster) nodeDir(name string) string { return c.plane.file(filepath.Join("nodes", name)) }

func (c *Cluster) runningNodes() []*runningNode {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*runningNode
	for _, n := range c.nodes {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b *runningNode) int { return strings.Compare(a.name, b.name) })
	return list
}

func (c *Cluster) hasNode(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.nodes[name]
	return ok
}

func (r *Runtime) startNode(c *Cluster, pool container.NodePoolSpec, name, zone string) error {
	address, err := c.nodeAddress()
	if err != nil {
		return err
	}
	n := &node{
		name: name, pool: pool, zone: zone, dir: c.nodeDir(name),
		address: address, plane: c.plane, disk: r.options.NodeDisk, debs: r.options.Debs, env: r.options.NodeEnv,
		registries: []string{regionOf(zone) + "-docker.pkg.dev", SystemRegistry}, registryCA: r.options.RegistryCA, trust: r.options.Trust, cpus: runtime.NumCPU(), created: time.Now(),
	}
	spec, err := n.vmSpec()
	if err != nil {
		return err
	}
	m, err := vm.Start(spec, r.cgroup(n.name), func(pid int) error {
		return r.options.Network.Attach(pid, linkName("n", address), netip.PrefixFrom(address, c.plane.spec.SubnetCIDR.Bits()))
	})
	if err != nil {
		return err
	}
	slog.Info("node started", "node", n.name, "address", address)
	c.mu.Lock()
	defer c.mu.Unlock()
	background, cancel := context.WithCancel(context.Background())
	running := &runningNode{node: n, vm: m, ctx: background, cancel: cancel}
	c.nodes[n.name] = running
	go r.repair(c, running)
	return nil
}

// repairAfter is the time after which a node that is gone is repaired. GKE repairs a node after
// about ten minutes of not being ready ("Auto-repair nodes"); a laptop need not wait as long.
const repairAfter = 20 * time.Second

// repair recreates a node whose VM has ended by itself, as GKE does with managementPolicy
// autoRepair: the same name, another VM, and none of its data.
func (r *Runtime) repair(c *Cluster, n *runningNode) {
	select {
	case <-n.ctx.Done():
		return
	case <-n.vm.Done():
	}
	slog.Warn("node has gone, and will be repaired", "node", n.name, "after", repairAfter)
	select {
	case <-n.ctx.Done():
		return
	case <-time.After(repairAfter):
	}
	err := r.stopNode(c, n.name)
	if err == nil {
		err = r.startNode(c, n.pool, n.name, n.zone)
	}
	if err == nil {
		err = c.joinNode(context.Background(), r, n.name)
	}
	if err != nil {
		slog.Error("repairing", "node", n.name, "error", err)
	}
}

func regionOf(zone string) string { return zone[:strings.LastIndex(zone, "-")] }

// nodeAddress returns the subnet's first free address after the gateway and before the last two
// ("Subnets": unusable addresses in IPv4 subnet ranges).
func (c *Cluster) nodeAddress() (netip.Addr, error) {
	used := map[netip.Addr]bool{}
	for _, n := range c.runningNodes() {
		used[n.address] = true
	}
	subnet := c.plane.spec.SubnetCIDR
	for a := nthAddress(subnet, 2); subnet.Contains(a.Next().Next()); a = a.Next() {
		if !used[a] {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("the subnet %s has no address left", subnet)
}

// joinNode waits for the node to register, connects its pods and waits until it is ready.
func (c *Cluster) joinNode(ctx context.Context, r *Runtime, name string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	c.mu.Lock()
	n := c.nodes[name]
	c.mu.Unlock()
	state := "has not registered with the API server"
	var connected bool
	err = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, nodeReadyTimeout, true, func(ctx context.Context) (bool, error) {
		object, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			state = err.Error()
			return false, nil
		}
		if object.Spec.PodCIDR == "" {
			state = "has no pod range yet"
			return false, nil
		}
		if !connected {
			pods, err := netip.ParsePrefix(object.Spec.PodCIDR)
			if err != nil {
				return false, err
			}
			if err := errors.Join(n.writeCNI(pods), r.options.Network.Route(pods, n.address)); err != nil {
				return false, err
			}
			connected = true
			r.enforceNetworkPolicies(client, n, pods)
		}
		for _, condition := range object.Status.Conditions {
			// A Ready condition from before a restart does not count.
			if condition.Type == corev1.NodeReady && !condition.LastHeartbeatTime.Time.Before(n.since()) {
				state = condition.Message
				return condition.Status == corev1.ConditionTrue, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%w: it %s", err, state)
	}
	return nil
}

// stopNode stops the node's VM, forgets its data and removes it from the cluster.
func (r *Runtime) stopNode(c *Cluster, name string) error {
	c.mu.Lock()
	n := c.nodes[name]
	delete(c.nodes, name)
	c.mu.Unlock()
	if n == nil {
		return nil
	}
	n.cancel()
	errs := []error{n.vm.Stop(), r.cgroup(name).Remove(), os.RemoveAll(n.dir)}
	if client, err := c.client(); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		// The cluster may be going too; a node object without a node harms nobody.
		if err := client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			slog.Warn("removing the node object", "node", name, "error", err)
		}
	}
	return errors.Join(errs...)
}

// enforceNetworkPolicies applies the cluster's network policies on a node until its VM stops.
func (r *Runtime) enforceNetworkPolicies(client kubernetes.Interface, n *runningNode, pods netip.Prefix) {
	controller := &networkpolicy.Controller{
		Client: client,
		Node:   networkpolicy.Node{Name: n.name, Addresses: []netip.Addr{n.address, nthAddress(pods, 1)}},
		Apply: func(ctx context.Context, rules []byte) error {
			_, err := n.vm.Run(ctx, rules, n.env, r.options.IPTablesRestore, "--noflush")
			return err
		},
		Log: slog.Default(),
	}
	go func() {
		if err := controller.Run(n.ctx); err != nil && n.ctx.Err() == nil {
			slog.Error("enforcing network policies", "node", n.name, "error", err)
		}
	}()
}
