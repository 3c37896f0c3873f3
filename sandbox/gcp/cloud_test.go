package gcp_test

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

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

func TestObjectsAreComplete(t *testing.T) {
	t.Parallel()
	rt := gcptest.NewRuntime()
	c := gcptest.Open(t, t.TempDir(), rt)
	gcptest.Build(t, c)
	for name, want := range map[string]gcp.Properties{
		gcptest.NetworkName: {"selfLink": "https://www.googleapis.com/compute/v1/" + gcptest.NetworkName, "routingMode": "REGIONAL", "project": "test-project", "autoCreateSubnetworks": false},
		gcptest.SubnetworkName: {"gatewayAddress": "10.0.0.1", "network": "https://www.googleapis.com/compute/v1/" + gcptest.NetworkName, "region": "us-central1",
			"purpose": "PRIVATE", "privateIpGoogleAccess": false},
		gcptest.AddressName: {"address": "198.51.100.10", "addressType": "EXTERNAL", "networkTier": "PREMIUM"},
		"projects/test-project/serviceAccounts/" + gcptest.AccountEmail: {"email": gcptest.AccountEmail, "member": "serviceAccount:" + gcptest.AccountEmail,
			"name": "projects/test-project/serviceAccounts/" + gcptest.AccountEmail},
		"projects/test-project/locations/us-central1/repositories/images": {"name": "images", "registryUri": "us-central1-docker.pkg.dev/test-project/images", "mode": "STANDARD_REPOSITORY"},
		gcptest.ClusterName: {"endpoint": "203.0.113.2", "masterVersion": "1.35.4-gke.1", "clusterIpv4Cidr": "10.4.0.0/14", "servicesIpv4Cidr": "10.8.0.0/20",
			"masterAuth.clusterCaCertificate": "UEVN", "privateClusterConfig.privateEndpoint": "172.16.0.18", "privateClusterConfig.enablePrivateNodes": true,
			"network": gcptest.NetworkName, "ipAllocationPolicy.clusterSecondaryRangeName": "pods", "nodeLocations": []any{"us-central1-a", "us-central1-b", "us-central1-c"}},
		gcptest.NodePoolName: {"location": "us-central1", "version": "1.35.4-gke.1", "nodeConfig.imageType": "COS_CONTAINERD", "nodeConfig.machineType": "e2-standard-2", "nodeCount": 1.0},
	} {
		o, err := c.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		for path, value := range want {
			if got := o.Properties().Get(path); !reflect.DeepEqual(got, value) {
				t.Errorf("%s of %s = %v, want %v", path, name, got, value)
			}
		}
	}
	spec := rt.Clusters["gke"]
	if spec.SubnetCIDR.String() != "10.0.0.0/20" || spec.PodCIDR.String() != "10.4.0.0/14" || spec.ControlPlaneCIDR.String() != "172.16.0.16/28" {
		t.Errorf("cluster spec = %+v, want the ranges described", spec)
	}
	pool := rt.Pools["gke/pool"]
	if pool.Count != 3 || len(pool.Zones) != 3 || pool.Labels["tier"] != "edge" || pool.ServiceAccount != gcptest.AccountEmail {
		t.Errorf("node pool spec = %+v, want 3 nodes as described", pool)
	}
}

func TestStateSurvivesReopening(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cloud")
	first := gcptest.Open(t, dir, gcptest.NewRuntime())
	gcptest.Build(t, first)
	rt := gcptest.NewRuntime()
	second := gcptest.Open(t, dir, rt)
	if got, want := second.Objects(), first.Objects(); !reflect.DeepEqual(got, want) {
		t.Fatalf("Objects() = %v, want %v", got, want)
	}
	before, _ := first.Get(gcptest.SubnetworkName)
	after, err := second.Get(gcptest.SubnetworkName)
	if err != nil || !reflect.DeepEqual(before.Properties(), after.Properties()) {
		t.Errorf("Get = %v, %v, want %v", after.Properties(), err, before.Properties())
	}
	if len(rt.Clusters) != 0 {
		t.Error("Open started a cluster, want that only Resume does")
	}
	if err := second.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	if rt.Clusters["gke"].PodCIDR.String() != "10.4.0.0/14" || rt.Pools["gke/pool"].Count != 3 {
		t.Errorf("Resume started %v and %v, want the cluster and its pool", rt.Clusters, rt.Pools)
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
	if _, err := gcp.Open(dir, apis.All(gcptest.NewRuntime())); err == nil || !strings.Contains(err.Error(), "state.json") {
		t.Errorf("Open = %v, want an error that names %s", err, "state.json")
	}
}

func TestFailedCreationLeavesNothing(t *testing.T) {
	t.Parallel()
	rt := gcptest.NewRuntime()
	dir := t.TempDir()
	c := gcptest.Open(t, dir, rt)
	gcptest.Enable(t, c)
	gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "net"})
	gcptest.Create(t, c, compute.KindSubnetwork, subnetConfigIn("10.0.0.0/20"))
	rt.Fail = errors.New("out of memory")
	config := gcptest.With(gcptest.ClusterConfig, gcp.Properties{"ipAllocationPolicy": gcp.Properties{}, "removeDefaultNodePool": false})
	if _, err := c.Create(context.Background(), container.KindCluster, gcptest.Here, config); err == nil || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("Create = %v, want the runtime's error", err)
	}
	if _, err := c.Get(gcptest.ClusterName); !gcp.IsNotFound(err) || len(rt.Clusters) != 0 {
		t.Errorf("after a failed creation: Get = %v, clusters = %v, want nothing", err, rt.Clusters)
	}
	rt.Fail = nil
	o := gcptest.Create(t, c, container.KindCluster, config)
	if got := o.Properties().Text("clusterIpv4Cidr"); got != "10.4.0.0/14" {
		t.Errorf("Pod range = %s, want the first free /14", got)
	}
	if rt.Pools["gke/default-pool"].Count != 3 {
		t.Errorf("pools = %v, want the default pool with a node in each zone", rt.Pools)
	}
}

func subnetConfigIn(cidr string) gcp.Properties {
	return gcp.Properties{"name": "sub", "network": "net", "ipCidrRange": cidr}
}

func TestAcceptedOperationOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	rt := gcptest.NewRuntime()
	dir := t.TempDir()
	c := gcptest.Open(t, dir, rt)
	gcptest.Enable(t, c)
	gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "net", "autoCreateSubnetworks": false})
	gcptest.Create(t, c, compute.KindSubnetwork, gcptest.SubnetConfig)
	rt.Started, rt.Finish = make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := c.Create(ctx, container.KindCluster, gcptest.Here, gcptest.ClusterConfig)
		result <- err
	}()
	<-rt.Started
	if err := c.Delete(context.Background(), gcptest.SubnetworkName); !strings.Contains(gcptest.ErrorText(err), "already being used") {
		t.Errorf("deleting what is being used by a creation: %v, want that it is in use", err)
	}
	if reopened := gcptest.Open(t, dir, rt); slices.Contains(reopened.Objects(), "//container.googleapis.com/"+gcptest.ClusterName) {
		t.Error("state holds a cluster that is being created, want it only at the end")
	}
	cancel()
	close(rt.Finish)
	if err := <-result; err != nil {
		t.Errorf("Create = %v, want the operation's end", err)
	}
	if reopened := gcptest.Open(t, dir, rt); !slices.Contains(reopened.Objects(), "//container.googleapis.com/"+gcptest.ClusterName) {
		t.Error("the state does not hold the cluster")
	}
}

func TestOperationsTakeTime(t *testing.T) {
	t.Parallel()
	const d = 50 * time.Millisecond
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime(), gcp.WithOperationTime(d))
	start := time.Now()
	gcptest.Create(t, c, gcp.KindService, gcp.Properties{"service": "compute.googleapis.com"})
	if took := time.Since(start); took < d {
		t.Errorf("operation took %v, want at least %v", took, d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Create(ctx, compute.KindNetwork, gcptest.Here, gcp.Properties{"name": "n"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v, want cancelled", err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime(), gcp.WithClock(func() time.Time { return now }))
	gcptest.Enable(t, c)
	gcptest.Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
	token, deployer := c.Token(gcptest.AccountEmail), c.Token(gcp.Deployer("test-project"))
	check := func(token, want string) {
		t.Helper()
		if got, ok := c.Identity(token); got != want || ok != (want != "") {
			t.Errorf("Identity = %q, %v, want %q", got, ok, want)
		}
	}
	check(token, gcptest.AccountEmail)
	check("ya29.guessed", "")
	gcptest.Remove(t, c, "projects/test-project/serviceAccounts/"+gcptest.AccountEmail)
	check(token, "")
	check(deployer, "deployer@test-project.iam.gserviceaccount.com")
	now = now.Add(time.Hour + time.Second)
	check(deployer, "")
}
