package gcp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "state.json"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
}

func TestOpenRefusesDamagedState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, All(newFakeRuntime())); err == nil || !strings.Contains(err.Error(), "state.json") {
		t.Errorf("Open = %v, want an error that names %s", err, "state.json")
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
	if _, err := c.Get(clusterPath); !IsNotFound(err) || len(rt.clusters) != 0 {
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
	if reopened := open(t, dir, rt); slices.Contains(reopened.Objects(), "//container.googleapis.com/"+clusterPath) {
		t.Error("state holds a cluster that is being created, want it only at the end")
	}
	cancel()
	close(rt.finish)
	if err := <-result; err != nil {
		t.Errorf("Create = %v, want the operation's end", err)
	}
	if reopened := open(t, dir, rt); !slices.Contains(reopened.Objects(), "//container.googleapis.com/"+clusterPath) {
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
