package cluster

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp/container"
)

// running returns a runtime with a cluster whose nodes have these addresses; nothing really runs.
func running(t *testing.T, addresses ...string) (*Runtime, *Cluster) {
	t.Helper()
	r := NewRuntime(Options{Dir: t.TempDir()})
	c := &Cluster{plane: testPlane(t), nodes: map[string]*runningNode{}}
	for _, a := range addresses {
		n := testNode(t, c.plane)
		n.name, n.address, n.pool.ServiceAccount = "node-"+a, netip.MustParseAddr(a), "node-"+a+"@demo.iam.gserviceaccount.com"
		c.nodes[n.name] = &runningNode{node: n}
	}
	r.clusters["edge"] = c
	return r, c
}

func TestNodeAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		used []string
		want string // empty: none left
	}{
		"first":     {nil, "10.0.0.2"},
		"next":      {[]string{"10.0.0.2", "10.0.0.3"}, "10.0.0.4"},
		"of a gone": {[]string{"10.0.0.2", "10.0.0.4"}, "10.0.0.3"},
		"last two are not usable": { // "Subnets": unusable addresses in IPv4 subnet ranges
			[]string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}, ""},
	}
	for name, test := range tests {
		_, c := running(t, test.used...)
		got, err := c.nodeAddress()
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "10.0.0.0/29 has no address left") {
				t.Errorf("%s: got %s, %v, want none", name, got, err)
			}
			continue
		}
		if err != nil || got.String() != test.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, test.want)
		}
	}
}

func TestDualStackIsRefused(t *testing.T) {
	t.Parallel()
	_, err := (&Runtime{}).StartCluster(t.Context(), container.ClusterSpec{Name: "gke", DualStack: true})
	if err == nil || !strings.Contains(err.Error(), "set dualStack to false") {
		t.Errorf("StartCluster = %v, want a refusal that says what to do", err)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	r := NewRuntime(Options{Dir: t.TempDir()})
	for i := range 8 {
		dir := filepath.Join(r.options.Dir, string(rune('a'+i)))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		a, err := r.endpoint(dir)
		if err != nil {
			t.Fatal(err)
		}
		if want := nthAddress(netip.MustParsePrefix("198.51.100.0/27"), 2+i); a != want {
			t.Errorf("cluster %d has %s, want %s", i, a, want)
		}
		r.clusters[dir] = &Cluster{plane: &controlPlane{external: a}}
		if again, err := r.endpoint(dir); err != nil || again != a {
			t.Errorf("after a restart, cluster %d has %s (%v), want %s", i, again, err, a)
		}
	}
	if a, err := r.endpoint(t.TempDir()); err == nil || !strings.Contains(err.Error(), "at most 8 clusters") {
		t.Errorf("a ninth cluster has %s (%v)", a, err)
	}
	delete(r.clusters, filepath.Join(r.options.Dir, "c"))
	if a, err := r.endpoint(t.TempDir()); err != nil || a.String() != "198.51.100.4" {
		t.Errorf("got %s (%v), want that of the cluster that has gone", a, err)
	}
}

func TestLinkNameFits(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, kind := range []string{"cp", "n"} {
		for _, a := range []string{"10.0.255.255", "10.0.255.254", "10.0.254.255"} {
			name := linkName(kind, netip.MustParseAddr(a))
			if len(name) > 15 || seen[name] { // IFNAMSIZ (netdevice(7)), with its end
				t.Errorf("%q is too long or not unique", name)
			}
			seen[name] = true
		}
	}
}

func TestWithoutTheCluster(t *testing.T) {
	t.Parallel()
	r := NewRuntime(Options{})
	pool := container.NodePoolSpec{Cluster: "edge", Name: "pool", Count: 1}
	if err := r.StartNodes(t.Context(), pool); err == nil || !strings.Contains(err.Error(), "the cluster edge is not running") {
		t.Errorf("starting nodes gave %v", err)
	}
	if err := r.StopNodes(t.Context(), "edge", "pool"); err != nil {
		t.Errorf("stopping nodes: %v", err)
	}
	if err := r.StopCluster(t.Context(), "edge"); err != nil {
		t.Errorf("stopping the cluster: %v", err)
	}
}

func TestNodesAreSpreadOverZones(t *testing.T) {
	t.Parallel()
	zones := []string{"us-central1-a", "us-central1-b", "us-central1-c"}
	pool := container.NodePoolSpec{Cluster: "edge", Name: "pool", Count: 6, Zones: zones}
	want := map[string]string{
		"gke-edge-pool-0": zones[0], "gke-edge-pool-1": zones[1], "gke-edge-pool-2": zones[2],
		"gke-edge-pool-3": zones[0], "gke-edge-pool-4": zones[1], "gke-edge-pool-5": zones[2],
	}
	if got := placed(pool); !maps.Equal(got, want) {
		t.Errorf("got %v, want two nodes a zone", got)
	}
	if got := placed(container.NodePoolSpec{}); len(got) != 0 {
		t.Errorf("an empty pool has nodes %v", got)
	}
}

// TestNodesFollowTheirPool checks which nodes go when their pool changes: those beyond its number
// in a zone, and those in zones that it no longer has.
func TestNodesFollowTheirPool(t *testing.T) {
	t.Parallel()
	zones := []string{"us-central1-a", "us-central1-b", "us-central1-c"}
	before := container.NodePoolSpec{Cluster: "edge", Name: "pool", Count: 6, Zones: zones}
	c := &Cluster{plane: testPlane(t), nodes: map[string]*runningNode{}}
	for name, zone := range placed(before) {
		c.nodes[name] = &runningNode{node: &node{name: name, zone: zone, pool: before}}
	}
	tests := map[string]struct {
		change    func(*container.NodePoolSpec)
		misplaced string
	}{
		"the same":     {func(*container.NodePoolSpec) {}, ""},
		"more":         {func(p *container.NodePoolSpec) { p.Count = 9 }, ""},
		"fewer":        {func(p *container.NodePoolSpec) { p.Count = 3 }, "3 4 5"},
		"two zones":    {func(p *container.NodePoolSpec) { p.Count, p.Zones = 2, zones[:2] }, "2 3 4 5"},
		"another zone": {func(p *container.NodePoolSpec) { p.Count, p.Zones = 1, []string{"us-central1-f"} }, "0 1 2 3 4 5"},
		"another pool": {func(p *container.NodePoolSpec) { p.Name = "other" }, ""},
	}
	for name, test := range tests {
		pool := before
		test.change(&pool)
		var want []string
		for _, i := range strings.Fields(test.misplaced) {
			want = append(want, "gke-edge-pool-"+i)
		}
		if got := c.misplaced(pool); !slices.Equal(got, want) {
			t.Errorf("%s: %v are misplaced, want %v", name, got, want)
		}
	}
}

func TestNodeNames(t *testing.T) {
	t.Parallel()
	if got := nodeName(container.NodePoolSpec{Cluster: "edge", Name: "pool"}, 2); got != "gke-edge-pool-2" {
		t.Errorf("got %s", got)
	}
	if got := regionOf("europe-west12-b"); got != "europe-west12" {
		t.Errorf("got %s", got)
	}
}
