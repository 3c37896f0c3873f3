package gcp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestObjectsAreComplete(t *testing.T) {
	t.Parallel()
	rt := newFakeRuntime()
	c := open(t, t.TempDir(), rt)
	build(t, c)
	for name, want := range map[string]Properties{
		networkName: {"selfLink": "https://www.googleapis.com/compute/v1/" + networkName, "routingMode": "REGIONAL", "project": "test-project", "autoCreateSubnetworks": false},
		subnetName: {"gatewayAddress": "10.0.0.1", "network": "https://www.googleapis.com/compute/v1/" + networkName, "region": "us-central1",
			"purpose": "PRIVATE", "privateIpGoogleAccess": false},
		addressName: {"address": "198.51.100.10", "addressType": "EXTERNAL", "networkTier": "PREMIUM"},
		"projects/test-project/serviceAccounts/" + accountEmail: {"email": accountEmail, "member": "serviceAccount:" + accountEmail,
			"name": "projects/test-project/serviceAccounts/" + accountEmail},
		"projects/test-project/locations/us-central1/repositories/images": {"name": "images", "registryUri": "us-central1-docker.pkg.dev/test-project/images", "mode": "STANDARD_REPOSITORY"},
		clusterPath: {"endpoint": "203.0.113.2", "masterVersion": "1.34.4-gke.1", "clusterIpv4Cidr": "10.4.0.0/14", "servicesIpv4Cidr": "10.8.0.0/20",
			"masterAuth.clusterCaCertificate": "UEVN", "privateClusterConfig.privateEndpoint": "172.16.0.18", "privateClusterConfig.enablePrivateNodes": true,
			"network": networkName, "ipAllocationPolicy.clusterSecondaryRangeName": "pods", "nodeLocations": []any{"us-central1-a", "us-central1-b", "us-central1-c"}},
		poolPath: {"location": "us-central1", "version": "1.34.4-gke.1", "nodeConfig.imageType": "COS_CONTAINERD", "nodeConfig.machineType": "e2-standard-2", "nodeCount": 1.0},
	} {
		o, err := c.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for path, value := range want {
			if got := o.Properties().get(path); !reflect.DeepEqual(got, value) {
				t.Errorf("%s of %s = %v, want %v", path, name, got, value)
			}
		}
	}
	spec := rt.clusters["gke"]
	if spec.SubnetCIDR.String() != "10.0.0.0/20" || spec.PodCIDR.String() != "10.4.0.0/14" || spec.ControlPlaneCIDR.String() != "172.16.0.16/28" {
		t.Errorf("cluster spec = %+v, want the ranges described", spec)
	}
	pool := rt.pools["gke/pool"]
	if pool.Count != 3 || len(pool.Zones) != 3 || pool.Labels["tier"] != "edge" || pool.Taints[0] != (Taint{"dedicated", "edge", "NoSchedule"}) || pool.ServiceAccount != accountEmail {
		t.Errorf("node pool spec = %+v, want 3 nodes as described", pool)
	}
}

func TestStateSurvivesReopening(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cloud")
	first := open(t, dir, newFakeRuntime())
	build(t, first)
	rt := newFakeRuntime()
	second := open(t, dir, rt)
	if got, want := second.Objects(), first.Objects(); !reflect.DeepEqual(got, want) {
		t.Fatalf("Objects() = %v, want %v", got, want)
	}
	before, _ := first.Get(subnetName)
	after, err := second.Get(subnetName)
	if err != nil || !reflect.DeepEqual(before.Properties(), after.Properties()) {
		t.Errorf("Get = %v, %v, want %v", after.Properties(), err, before.Properties())
	}
	if len(rt.clusters) != 0 {
		t.Error("Open started a cluster, want that only Resume does")
	}
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if rt.clusters["gke"].PodCIDR.String() != "10.4.0.0/14" || rt.pools["gke/pool"].Count != 3 {
		t.Errorf("Resume started %v and %v, want the cluster and its pool", rt.clusters, rt.pools)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, stateFile): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
}

func TestOpenRefusesDamagedState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, All(newFakeRuntime())); err == nil || !strings.Contains(err.Error(), stateFile) {
		t.Errorf("Open = %v, want an error that names %s", err, stateFile)
	}
}

func TestFailedCreationLeavesNothing(t *testing.T) {
	t.Parallel()
	rt := newFakeRuntime()
	dir := t.TempDir()
	c := open(t, dir, rt)
	enable(t, c)
	create(t, c, KindNetwork, Properties{"name": "net"})
	create(t, c, KindSubnetwork, subnetConfigIn("10.0.0.0/20"))
	rt.fail = errors.New("out of memory")
	config := with(clusterConfig, Properties{"ipAllocationPolicy": Properties{}, "removeDefaultNodePool": false})
	if _, err := c.Create(context.Background(), KindCluster, here, config); err == nil || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("Create = %v, want the runtime's error", err)
	}
	if _, err := c.Get(clusterPath); !NotFound(err) || len(rt.clusters) != 0 {
		t.Errorf("after a failed creation: Get = %v, clusters = %v, want nothing", err, rt.clusters)
	}
	rt.fail = nil
	o := create(t, c, KindCluster, config)
	if got := o.Properties().str("clusterIpv4Cidr"); got != "10.4.0.0/14" {
		t.Errorf("Pod range = %s, want the first free /14", got)
	}
	if rt.pools["gke/default-pool"].Count != 3 {
		t.Errorf("pools = %v, want the default pool with a node in each zone", rt.pools)
	}
}

func subnetConfigIn(cidr string) Properties {
	return Properties{"name": "sub", "network": "net", "ipCidrRange": cidr}
}

func TestAcceptedOperationOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	rt := newFakeRuntime()
	dir := t.TempDir()
	c := open(t, dir, rt)
	enable(t, c)
	create(t, c, KindNetwork, Properties{"name": "net", "autoCreateSubnetworks": false})
	create(t, c, KindSubnetwork, subnetConfig)
	rt.started, rt.finish = make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := c.Create(ctx, KindCluster, here, clusterConfig)
		result <- err
	}()
	<-rt.started
	if err := c.Delete(context.Background(), subnetName); !strings.Contains(errorText(err), "already being used") {
		t.Errorf("deleting what is being used by a creation: %v, want that it is in use", err)
	}
	if reopened := open(t, dir, rt); contains(reopened.Objects(), "//container.googleapis.com/"+clusterPath) {
		t.Error("state holds a cluster that is being created, want it only at the end")
	}
	cancel()
	close(rt.finish)
	if err := <-result; err != nil {
		t.Errorf("Create = %v, want the operation's end", err)
	}
	if reopened := open(t, dir, rt); !contains(reopened.Objects(), "//container.googleapis.com/"+clusterPath) {
		t.Error("the state does not hold the cluster")
	}
}

func TestOperationsTakeTime(t *testing.T) {
	t.Parallel()
	const d = 50 * time.Millisecond
	c := open(t, t.TempDir(), newFakeRuntime(), WithOperationTime(d))
	start := time.Now()
	create(t, c, KindService, Properties{"service": "compute.googleapis.com"})
	if took := time.Since(start); took < d {
		t.Errorf("operation took %v, want at least %v", took, d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Create(ctx, KindNetwork, here, Properties{"name": "n"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v, want canceled", err)
	}
}

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
		if !contains(c.Objects(), name) {
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

func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := open(t, t.TempDir(), newFakeRuntime(), WithClock(func() time.Time { return now }))
	enable(t, c)
	create(t, c, KindServiceAccount, Properties{"accountId": "nodes-account"})
	token, deployer := c.Token(accountEmail), c.Token(Deployer("test-project"))
	check := func(token, want string) {
		t.Helper()
		if got, ok := c.Identity(token); got != want || ok != (want != "") {
			t.Errorf("Identity = %q, %v, want %q", got, ok, want)
		}
	}
	check(token, accountEmail)
	check("ya29.guessed", "")
	remove(t, c, "projects/test-project/serviceAccounts/"+accountEmail)
	check(token, "")
	check(deployer, "deployer@test-project.iam.gserviceaccount.com")
	now = now.Add(time.Hour + time.Second)
	check(deployer, "")
}

func TestDeletedAccountLosesItsRoles(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	member := Properties{"role": "roles/viewer", "member": "serviceAccount:" + accountEmail}
	o := create(t, c, KindProjectMember, member)
	create(t, c, KindProjectMember, member) // a policy is a set
	identity := Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + accountEmail,
		"role": "roles/iam.workloadIdentityUser", "member": "serviceAccount:test-project.svc.id.goog[ns/sa]"}
	inside := create(t, c, KindAccountMember, identity)
	remove(t, c, "projects/test-project/serviceAccounts/"+accountEmail)
	for _, name := range []string{o.Name, inside.Name} {
		if _, err := c.Get(name); !NotFound(err) {
			t.Errorf("Get(%s) = %v, want not found", name, err)
		}
	}
}
