package gcp

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestNodePoolIsResized(t *testing.T) {
	t.Parallel()
	rt := newFakeRuntime()
	c := open(t, t.TempDir(), rt)
	build(t, c)
	o, err := c.Update(context.Background(), poolPath, here, with(poolConfig, Properties{"nodeCount": 2.0, "nodeLocations": []any{"us-central1-f"}}))
	if err != nil || rt.pools["gke/pool"].Count != 2 || o.Properties().number("nodeCount") != 2 {
		t.Errorf("Update = %v; pool = %+v, want 2 nodes", err, rt.pools["gke/pool"])
	}
	remove(t, c, poolPath)
	if len(rt.pools) != 0 {
		t.Errorf("pools = %v, want none", rt.pools)
	}
	create(t, c, KindNodePool, with(poolConfig, Properties{"nodeCount": nil, "autoscaling": Properties{"minNodeCount": 1.0, "maxNodeCount": 3.0}}))
	if got := rt.pools["gke/pool"].Count; got != 3 {
		t.Errorf("autoscaled pool has %d nodes, want the minimum of one a zone", got)
	}
}

// A pool of a regional cluster has its nodeCount in each zone ("Regional clusters", GKE).
func TestNodePoolSpansZones(t *testing.T) {
	t.Parallel()
	three := []string{"us-central1-a", "us-central1-b", "us-central1-c"}
	tests := map[string]struct {
		cluster, pool Properties
		count         int
		zones         []string
	}{
		"regional":             {nil, Properties{"nodeCount": 2.0}, 6, three},
		"zones of the cluster": {Properties{"nodeLocations": []any{"us-central1-f", "us-central1-b"}}, Properties{"nodeCount": 2.0}, 4, []string{"us-central1-b", "us-central1-f"}},
		"zones of the pool":    {nil, Properties{"nodeCount": 3.0, "nodeLocations": []any{"us-central1-c"}}, 3, three[2:]},
		"zonal":                {Properties{"location": "us-central1-b"}, Properties{"nodeCount": 2.0}, 2, three[1:2]},
		"empty":                {nil, Properties{"nodeCount": 0.0}, 0, three},
	}
	for name, test := range tests {
		rt := newFakeRuntime()
		c := open(t, t.TempDir(), rt)
		enable(t, c)
		create(t, c, KindNetwork, Properties{"name": "net", "autoCreateSubnetworks": false})
		create(t, c, KindSubnetwork, subnetConfig)
		create(t, c, KindServiceAccount, Properties{"accountId": "nodes-account"})
		cluster := create(t, c, KindCluster, with(clusterConfig, test.cluster))
		o := create(t, c, KindNodePool, with(with(poolConfig, test.pool), Properties{"cluster": cluster.Name}))
		got := rt.pools["gke/pool"]
		if got.Count != test.count || !reflect.DeepEqual(got.Zones, test.zones) {
			t.Errorf("%s: %d nodes in %v, want %d in %v", name, got.Count, got.Zones, test.count, test.zones)
		}
		if groups := o.Properties().strings("instanceGroupUrls"); len(groups) != len(test.zones) {
			t.Errorf("%s: instance groups %v, want one a zone", name, groups)
		}
	}
}

func TestManagedPrometheus(t *testing.T) {
	t.Parallel()
	off := Properties{"managedPrometheus": Properties{"enabled": false}}
	tests := map[string]struct {
		config any
		want   bool
	}{
		"by default":  {nil, true},
		"other parts": {Properties{"enableComponents": []any{"SYSTEM_COMPONENTS"}}, true},
		"asked for":   {Properties{"managedPrometheus": Properties{"enabled": true}}, true},
		"refused":     {off, false},
	}
	for name, test := range tests {
		rt := newFakeRuntime()
		c := open(t, t.TempDir(), rt)
		enable(t, c)
		create(t, c, KindNetwork, Properties{"name": "net", "autoCreateSubnetworks": false})
		create(t, c, KindSubnetwork, subnetConfig)
		o := create(t, c, KindCluster, with(clusterConfig, Properties{"monitoringConfig": test.config}))
		if got := rt.clusters["gke"].ManagedPrometheus; got != test.want || o.Properties().boolean("monitoringConfig.managedPrometheus.enabled") != test.want {
			t.Errorf("%s: ManagedPrometheus = %v, output %v, want %v", name, got, o.Properties()["monitoringConfig"], test.want)
		}
		delete(rt.clusters, "gke")
		for _, next := range []Properties{with(clusterConfig, Properties{"monitoringConfig": off}), clusterConfig} {
			if _, err := c.Update(context.Background(), clusterPath, here, next); err != nil {
				t.Fatal(err)
			}
		}
		if !rt.clusters["gke"].ManagedPrometheus {
			t.Errorf("%s: switched off and on again, the cluster lacks managed collection", name)
		}
	}
}

func TestMaxPodsFollowTheCluster(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	enable(t, c)
	create(t, c, KindNetwork, Properties{"name": "net", "autoCreateSubnetworks": false})
	create(t, c, KindSubnetwork, subnetConfig)
	create(t, c, KindServiceAccount, Properties{"accountId": "nodes-account"})
	create(t, c, KindCluster, with(clusterConfig, Properties{"defaultMaxPodsPerNode": 32.0}))
	o := create(t, c, KindNodePool, poolConfig)
	if got := o.Properties().clone().number("maxPodsPerNode"); got != 32 {
		t.Errorf("maxPodsPerNode = %d, want the cluster's default, 32", got)
	}
}

func TestForwardingRules(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	address, ok := ReservedAddress(c, "test-project", "us-central1", "ip")
	if !ok || address.String() != "198.51.100.10" {
		t.Fatalf("Address = %v, %v, want 198.51.100.10", address, ok)
	}
	rule := ForwardingRule{Name: "a1", Project: "test-project", Region: "us-central1", Cluster: "gke", Address: address, Ports: []int32{443}}
	for range 2 { // the second time it is there already
		if err := PutForwardingRule(c, rule); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"//compute.googleapis.com/projects/test-project/global/firewalls/k8s-fw-a1",
		"//compute.googleapis.com/projects/test-project/regions/us-central1/forwardingRules/a1"} {
		if !slices.Contains(c.Objects(), name) {
			t.Errorf("Objects() = %v, want %s", c.Objects(), name)
		}
	}
	if o, _ := c.Get(addressName); len(o.Properties().strings("users")) != 1 {
		t.Errorf("users of the address = %v, want the forwarding rule", o.Properties()["users"])
	}
	second := rule
	second.Name = "a2"
	if err := PutForwardingRule(c, second); !strings.Contains(errorText(err), "in-use and would result in a conflict") {
		t.Errorf("another rule for the same address and port: %v, want a conflict", err)
	}
	second.Ports = []int32{80}
	if err := PutForwardingRule(c, second); err != nil {
		t.Errorf("another rule for another port: %v, want nil", err)
	}
	rule.Ports = []int32{80, 443}
	if err := PutForwardingRule(c, rule); !strings.Contains(errorText(err), "conflict") {
		t.Errorf("changing ports to those of another rule: %v, want a conflict", err)
	}
	third := ForwardingRule{Name: "a3", Project: "test-project", Region: "us-central1", Cluster: "gke", Address: address.Next(), Ports: []int32{1}}
	if err := PutForwardingRule(c, third); !strings.Contains(errorText(err), "not allocated to the project") {
		t.Errorf("a rule for an address that is not reserved: %v, want a refusal", err)
	}
	for range 2 {
		for _, name := range []string{"a1", "a2", "a3"} {
			if err := DeleteForwardingRule(c, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove(t, c, addressName)
}

func TestChannelsOfferVersions(t *testing.T) {
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	for channel, want := range map[string]int{"STABLE": 400, "REGULAR": 0} {
		config := with(clusterConfig, Properties{"minMasterVersion": "1.35", "releaseChannel": Properties{"channel": channel}})
		if _, err := c.Update(context.Background(), clusterPath, here, config); code(err) != want {
			t.Errorf("1.35 on %s: %v, want code %d", channel, err, want)
		}
	}
}
