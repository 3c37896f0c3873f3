package container_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

func TestNodePoolIsResized(t *testing.T) {
	t.Parallel()
	rt := gcptest.NewRuntime()
	c := gcptest.Open(t, t.TempDir(), rt)
	gcptest.Build(t, c)
	o, err := c.Update(context.Background(), gcptest.NodePoolName, gcptest.Here, gcptest.With(gcptest.PoolConfig, gcp.Properties{"nodeCount": 2.0, "nodeLocations": []any{"us-central1-f"}}))
	if err != nil || rt.Pools["gke/pool"].Count != 2 || o.Properties().Int("nodeCount") != 2 {
		t.Errorf("Update = %v; pool = %+v, want 2 nodes", err, rt.Pools["gke/pool"])
	}
	gcptest.Remove(t, c, gcptest.NodePoolName)
	if len(rt.Pools) != 0 {
		t.Errorf("pools = %v, want none", rt.Pools)
	}
	gcptest.Create(t, c, container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"nodeCount": nil, "autoscaling": gcp.Properties{"minNodeCount": 1.0, "maxNodeCount": 3.0}}))
	if got := rt.Pools["gke/pool"].Count; got != 3 {
		t.Errorf("autoscaled pool has %d nodes, want the minimum of one a zone", got)
	}
}

// TestNodePoolSpansZones checks that a pool of a regional cluster has its nodeCount in each zone
// ("Regional clusters", GKE).
func TestNodePoolSpansZones(t *testing.T) {
	t.Parallel()
	three := []string{"us-central1-a", "us-central1-b", "us-central1-c"}
	tests := map[string]struct {
		cluster, pool gcp.Properties
		count         int
		zones         []string
	}{
		"regional":             {nil, gcp.Properties{"nodeCount": 2.0}, 6, three},
		"zones of the cluster": {gcp.Properties{"nodeLocations": []any{"us-central1-f", "us-central1-b"}}, gcp.Properties{"nodeCount": 2.0}, 4, []string{"us-central1-b", "us-central1-f"}},
		"zones of the pool":    {nil, gcp.Properties{"nodeCount": 3.0, "nodeLocations": []any{"us-central1-c"}}, 3, three[2:]},
		"zonal":                {gcp.Properties{"location": "us-central1-b"}, gcp.Properties{"nodeCount": 2.0}, 2, three[1:2]},
		"empty":                {nil, gcp.Properties{"nodeCount": 0.0}, 0, three},
	}
	for name, test := range tests {
		rt := gcptest.NewRuntime()
		c := gcptest.Open(t, t.TempDir(), rt)
		gcptest.Enable(t, c)
		gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "net", "autoCreateSubnetworks": false})
		gcptest.Create(t, c, compute.KindSubnetwork, gcptest.SubnetConfig)
		gcptest.Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
		cluster := gcptest.Create(t, c, container.KindCluster, gcptest.With(gcptest.ClusterConfig, test.cluster))
		o := gcptest.Create(t, c, container.KindNodePool, gcptest.With(gcptest.With(gcptest.PoolConfig, test.pool), gcp.Properties{"cluster": cluster.Name}))
		got := rt.Pools["gke/pool"]
		if got.Count != test.count || !reflect.DeepEqual(got.Zones, test.zones) {
			t.Errorf("%s: %d nodes in %v, want %d in %v", name, got.Count, got.Zones, test.count, test.zones)
		}
		if groups := o.Properties().Texts("instanceGroupUrls"); len(groups) != len(test.zones) {
			t.Errorf("%s: instance groups %v, want one a zone", name, groups)
		}
	}
}

func TestManagedPrometheus(t *testing.T) {
	t.Parallel()
	off := gcp.Properties{"managedPrometheus": gcp.Properties{"enabled": false}}
	tests := map[string]struct {
		config any
		want   bool
	}{
		"by default":  {nil, true},
		"other parts": {gcp.Properties{"enableComponents": []any{"SYSTEM_COMPONENTS"}}, true},
		"asked for":   {gcp.Properties{"managedPrometheus": gcp.Properties{"enabled": true}}, true},
		"refused":     {off, false},
	}
	for name, test := range tests {
		rt := gcptest.NewRuntime()
		c := gcptest.Open(t, t.TempDir(), rt)
		gcptest.Enable(t, c)
		gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "net", "autoCreateSubnetworks": false})
		gcptest.Create(t, c, compute.KindSubnetwork, gcptest.SubnetConfig)
		o := gcptest.Create(t, c, container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"monitoringConfig": test.config}))
		if got := rt.Clusters["gke"].ManagedPrometheus; got != test.want || o.Properties().Bool("monitoringConfig.managedPrometheus.enabled") != test.want {
			t.Errorf("%s: ManagedPrometheus = %v, output %v, want %v", name, got, o.Properties()["monitoringConfig"], test.want)
		}
		delete(rt.Clusters, "gke")
		for _, next := range []gcp.Properties{gcptest.With(gcptest.ClusterConfig, gcp.Properties{"monitoringConfig": off}), gcptest.ClusterConfig} {
			if _, err := c.Update(context.Background(), gcptest.ClusterName, gcptest.Here, next); err != nil {
				t.Fatal(err)
			}
		}
		if !rt.Clusters["gke"].ManagedPrometheus {
			t.Errorf("%s: switched off and on again, the cluster lacks managed collection", name)
		}
	}
}

func TestMaxPodsFollowTheCluster(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "net", "autoCreateSubnetworks": false})
	gcptest.Create(t, c, compute.KindSubnetwork, gcptest.SubnetConfig)
	gcptest.Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
	gcptest.Create(t, c, container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"defaultMaxPodsPerNode": 32.0}))
	o := gcptest.Create(t, c, container.KindNodePool, gcptest.PoolConfig)
	if got := o.Properties().Clone().Int("maxPodsPerNode"); got != 32 {
		t.Errorf("maxPodsPerNode = %d, want the cluster's default, 32", got)
	}
}

func TestForwardingRules(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	address, ok := compute.ReservedAddress(c, "test-project", "us-central1", "ip")
	if !ok || address.String() != "198.51.100.10" {
		t.Fatalf("Address = %v, %v, want 198.51.100.10", address, ok)
	}
	rule := container.ForwardingRule{Name: "a1", Project: "test-project", Region: "us-central1", Cluster: "gke", Address: address, Ports: []int32{443}}
	for range 2 { // the second time it is there already
		if err := container.PutForwardingRule(c, rule); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"//compute.googleapis.com/projects/test-project/global/firewalls/k8s-fw-a1",
		"//compute.googleapis.com/projects/test-project/regions/us-central1/forwardingRules/a1"} {
		if !slices.Contains(c.Objects(), name) {
			t.Errorf("Objects() = %v, want %s", c.Objects(), name)
		}
	}
	if o, _ := c.Get(gcptest.AddressName); len(o.Properties().Texts("users")) != 1 {
		t.Errorf("users of the address = %v, want the forwarding rule", o.Properties()["users"])
	}
	second := rule
	second.Name = "a2"
	if err := container.PutForwardingRule(c, second); !strings.Contains(gcptest.ErrorText(err), "in-use and would result in a conflict") {
		t.Errorf("another rule for the same address and port: %v, want a conflict", err)
	}
	second.Ports = []int32{80}
	if err := container.PutForwardingRule(c, second); err != nil {
		t.Errorf("another rule for another port: %v, want nil", err)
	}
	rule.Ports = []int32{80, 443}
	if err := container.PutForwardingRule(c, rule); !strings.Contains(gcptest.ErrorText(err), "conflict") {
		t.Errorf("changing ports to those of another rule: %v, want a conflict", err)
	}
	third := container.ForwardingRule{Name: "a3", Project: "test-project", Region: "us-central1", Cluster: "gke", Address: address.Next(), Ports: []int32{1}}
	if err := container.PutForwardingRule(c, third); !strings.Contains(gcptest.ErrorText(err), "not allocated to the project") {
		t.Errorf("a rule for an address that is not reserved: %v, want a refusal", err)
	}
	for range 2 {
		for _, name := range []string{"a1", "a2", "a3"} {
			if err := container.DeleteForwardingRule(c, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	gcptest.Remove(t, c, gcptest.AddressName)
}

func TestChannelsOfferVersions(t *testing.T) {
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	for channel, want := range map[string]int{"STABLE": 400, "REGULAR": 0} {
		config := gcptest.With(gcptest.ClusterConfig, gcp.Properties{"minMasterVersion": "1.35", "releaseChannel": gcp.Properties{"channel": channel}})
		if _, err := c.Update(context.Background(), gcptest.ClusterName, gcptest.Here, config); gcptest.Code(err) != want {
			t.Errorf("1.35 on %s: %v, want code %d", channel, err, want)
		}
	}
}

// TestClusterBecomesDualStack changes a cluster in place, once its subnet is dual-stack.
func TestClusterBecomesDualStack(t *testing.T) {
	t.Parallel()
	rt := gcptest.NewRuntime()
	c := gcptest.Open(t, t.TempDir(), rt)
	gcptest.Build(t, c)
	dual := gcptest.With(gcptest.ClusterConfig, gcp.Properties{"ipAllocationPolicy": gcp.Properties{
		"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services", "stackType": "IPV4_IPV6"}})
	if _, err := c.Update(context.Background(), gcptest.ClusterName, gcptest.Here, dual); !strings.Contains(gcptest.ErrorText(err), "must have that stack type too") {
		t.Errorf("in a subnet of IPv4 only: %v, want a refusal", err)
	}
	subnet := gcptest.With(gcptest.SubnetConfig, gcp.Properties{"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"})
	if _, err := c.Update(context.Background(), gcptest.SubnetworkName, gcptest.Here, subnet); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Update(context.Background(), gcptest.ClusterName, gcptest.Here, dual); err != nil || !rt.Clusters["gke"].DualStack {
		t.Errorf("in a dual-stack subnet: %v; the cluster is %+v, want it to be dual-stack", err, rt.Clusters["gke"])
	}
}
