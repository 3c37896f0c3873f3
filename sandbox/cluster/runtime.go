package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"example.com/grpc-edge/sandbox/addressplan"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/network"
	"example.com/grpc-edge/sandbox/node/vm"
)

// Options describes what clusters are made from.
type Options struct {
	Dir     string // state, one folder a cluster
	Network *network.Network
	Bin     func(name string) string // path of a built tool
	Version string                   // of Kubernetes' programs among them, such as 1.35.4
	Debs    string                   // root of the unpacked distribution packages
	NodeEnv []string                 // environment that those packages' programs need
	// IPTablesRestore is the program that loads a node's network policies.
	IPTablesRestore string
	// NodeDisk is the size of each node's disk, in the format of tmpfs(5); the disk is in
	// memory. If it is empty, the nodes' files are in Dir, which is faster to restart and costs
	// no memory.
	NodeDisk   string
	Cgroup     string // parent of the VMs' cgroups
	RegistryCA string // file, PEM: who signs for Google's hosts here
	Trust      string // file, PEM: the authorities that containers trust, RegistryCA among them
	Tokens     string // static token file of kube-apiserver
	// Started is called with each cluster whose API server answers. Its ctx ends when the cluster stops.
	Started func(ctx context.Context, c *Cluster)
}

// Runtime implements container.Runtime.
type Runtime struct {
	options  Options
	mu       sync.Mutex
	clusters map[string]*Cluster
}

// NewRuntime returns a runtime without clusters.
func NewRuntime(options Options) *Runtime {
	return &Runtime{options: options, clusters: map[string]*Cluster{}}
}

// errIPv4Only says what this runtime does not run.
var errIPv4Only = errors.New("the sandbox's nodes and pods have IPv4 only: set dualStack to false in its stack (ipAllocationPolicy.stackType: IPV4); " +
	"Envoy's tests and those of the emulated cloud cover dual stack")

// StartCluster implements container.Runtime.
func (r *Runtime) StartCluster(ctx context.Context, spec container.ClusterSpec) (container.ClusterStatus, error) {
	if spec.DualStack {
		return container.ClusterStatus{}, fmt.Errorf("starting cluster %s: %w", spec.Name, errIPv4Only)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c, running := r.clusters[spec.Name]
	if !running {
		var err error
		if c, err = r.start(spec); err != nil {
			return container.ClusterStatus{}, fmt.Errorf("starting the control plane of cluster %s: %w", spec.Name, err)
		}
	}
	if err := c.waitReady(ctx); err != nil {
		return container.ClusterStatus{}, err
	}
	if err := c.installAddons(ctx, spec.ManagedPrometheus); err != nil {
		return container.ClusterStatus{}, err
	}
	if err := c.enforceImagePolicy(ctx, spec.BinaryAuthorization, r.options.RegistryCA); err != nil {
		return container.ClusterStatus{}, err
	}
	if !running {
		background, cancel := context.WithCancel(context.Background())
		c.cancel = cancel
		r.options.Started(background, c)
	}
	return container.ClusterStatus{Endpoint: c.plane.external, CACertificate: c.plane.ca.PEM(), Version: r.options.Version}, nil
}

func (r *Runtime) start(spec container.ClusterSpec) (*Cluster, error) {
	dir := filepath.Join(r.options.Dir, spec.Name)
	ca, err := OpenAuthority(filepath.Join(dir, "pki"), spec.Name)
	if err != nil {
		return nil, err
	}
	external, err := r.endpoint(dir)
	if err != nil {
		return nil, err
	}
	plane := &controlPlane{
		spec: spec, dir: dir, ca: ca, bin: r.options.Bin, tokens: r.options.Tokens,
		internal: nthAddress(spec.ControlPlaneCIDR, 2), external: external,
	}
	for _, subnet := range []netip.Prefix{spec.SubnetCIDR, spec.ControlPlaneCIDR} {
		if err := r.options.Network.Subnet(subnet); err != nil {
			return nil, err
		}
	}
	ms, err := plane.vmSpec()
	if err != nil {
		return nil, err
	}
	address := netip.PrefixFrom(plane.internal, spec.ControlPlaneCIDR.Bits())
	m, err := vm.Start(ms, r.cgroup(spec.Name), func(pid int) error {
		return r.options.Network.Attach(pid, linkName("cp", external), address, external)
	})
	if err != nil {
		return nil, err
	}
	slog.Info("control plane started", "cluster", spec.Name, "endpoint", external)
	c := &Cluster{plane: plane, vm: m, nodes: map[string]*runningNode{}}
	r.clusters[spec.Name] = c
	return c, nil
}

// endpointFile holds a cluster's external address, in its folder.
const endpointFile = "endpoint"

// endpoint returns a cluster's own external address and remembers it, because kubeconfigs carry
// it: addressplan.FirstEndpoint or a later one.
func (r *Runtime) endpoint(dir string) (netip.Addr, error) {
	file := filepath.Join(dir, endpointFile)
	if text, err := os.ReadFile(file); err == nil {
		return netip.ParseAddr(string(text))
	}
	used := map[netip.Addr]bool{}
	for _, c := range r.clusters {
		used[c.plane.external] = true
	}
	for a := addressplan.FirstEndpoint; a.Less(addressplan.FirstReserved); a = a.Next() {
		if !used[a] {
			return a, os.WriteFile(file, []byte(a.String()), 0o600)
		}
	}
	return netip.Addr{}, errors.New("the sandbox runs at most 8 clusters at a time: delete one first")
}

func (r *Runtime) cgroup(name string) vm.Cgroup {
	return vm.Cgroup(filepath.Join(r.options.Cgroup, name))
}

// linkName returns a link's name that fits the kernel's limit of 15 bytes, whatever the
// VM's name.
func linkName(kind string, a netip.Addr) string {
	b := a.As4()
	return fmt.Sprintf("%s-%d-%d", kind, b[2], b[3])
}

// StopCluster implements container.Runtime: it stops the cluster and forgets its data.
func (r *Runtime) StopCluster(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clusters[name]
	if !ok {
		return nil
	}
	delete(r.clusters, name)
	var errs []error
	for _, n := range c.runningNodes() {
		errs = append(errs, r.stopNode(c, n.name))
	}
	if c.cancel != nil {
		c.cancel()
	}
	errs = append(errs, c.vm.Stop(), r.cgroup(name).Remove(), os.RemoveAll(c.plane.dir))
	return errors.Join(errs...)
}

// Stop ends all VMs and keeps their data, as cutting the power does.
func (r *Runtime) Stop() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, c := range r.clusters {
		if c.cancel != nil {
			c.cancel()
		}
		for _, n := range c.runningNodes() {
			n.cancel()
			errs = append(errs, n.vm.Stop())
		}
		errs = append(errs, c.vm.Stop())
	}
	errs = append(errs, vm.Cgroup(r.options.Cgroup).Remove())
	return errors.Join(errs...)
}
