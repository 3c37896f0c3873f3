package container_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

// autopilotConfig describes an Autopilot cluster in the network of the tests.
var autopilotConfig = gcptest.With(gcptest.ClusterConfig, gcp.Properties{
	"enableAutopilot": true, "skipNodePoolRefresh": true, "removeDefaultNodePool": nil, "initialNodeCount": nil, "workloadIdentityConfig": nil,
	"clusterAutoscaling": gcp.Properties{"autoProvisioningDefaults": gcp.Properties{"serviceAccount": gcptest.AccountEmail}},
})

// readyForAutopilot returns a cloud with all that an Autopilot cluster needs.
func readyForAutopilot(t *testing.T, rt container.Runtime) *gcp.Cloud {
	t.Helper()
	c := gcptest.Open(t, t.TempDir(), rt)
	gcptest.Enable(t, c)
	gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "net", "autoCreateSubnetworks": false})
	gcptest.Create(t, c, compute.KindSubnetwork, gcptest.SubnetConfig)
	gcptest.Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
	return c
}

// TestAutopilotHasNodes checks that nodes exist without anybody having created them, and are no
// objects of the cloud.
func TestAutopilotHasNodes(t *testing.T) {
	t.Parallel()
	rt := gcptest.NewRuntime()
	c := readyForAutopilot(t, rt)
	o := gcptest.Create(t, c, container.KindCluster, autopilotConfig)
	p := o.Properties().Clone()
	if want := []string{"us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"}; !slices.Equal(p.Texts("nodeLocations"), want) {
		t.Errorf("nodeLocations = %v, want all zones of the region, %v", p.Texts("nodeLocations"), want)
	}
	if p.Text("datapathProvider") != "ADVANCED_DATAPATH" || p.Text("workloadIdentityConfig.workloadPool") != "test-project.svc.id.goog" ||
		!p.Bool("enableIntranodeVisibility") || p.Text("clusterAutoscaling.autoProvisioningDefaults.serviceAccount") != gcptest.AccountEmail {
		t.Errorf("the cluster is %v, want what Autopilot clusters always have", p)
	}
	pool := rt.Pools["gke/nap"]
	if pool.Count != 1 || pool.ServiceAccount != gcptest.AccountEmail || !slices.Equal(pool.Zones, []string{"us-central1-a"}) {
		t.Errorf("the nodes are %+v, want one that runs as %s", pool, gcptest.AccountEmail)
	}
	for _, name := range c.Objects() {
		if strings.Contains(name, "/nodePools/") {
			t.Errorf("the nodes are an object, %s", name)
		}
	}
	delete(rt.Pools, "gke/nap")
	if err := c.Resume(context.Background()); err != nil || rt.Pools["gke/nap"].Count != 1 {
		t.Errorf("after a restart: %v, nodes %+v, want one", err, rt.Pools["gke/nap"])
	}
	gcptest.Remove(t, c, gcptest.ClusterName)
}

func TestAutopilotRefuses(t *testing.T) {
	t.Parallel()
	c := readyForAutopilot(t, gcptest.NewRuntime())
	for _, test := range []struct {
		name    string
		changes gcp.Properties
		want    string
	}{
		{"a zone", gcp.Properties{"location": "us-central1-a"}, "Autopilot clusters must be regional"},
		{"no release channel", gcp.Properties{"releaseChannel": gcp.Properties{"channel": "UNSPECIFIED"}}, "must be in a release channel"},
		{"another dataplane", gcp.Properties{"datapathProvider": "LEGACY_DATAPATH"}, "use GKE Dataplane V2"},
		{"no logs", gcp.Properties{"loggingConfig": gcp.Properties{"enableComponents": []any{}}}, "always have SYSTEM_COMPONENTS in loggingConfig"},
		{"no metrics", gcp.Properties{"monitoringConfig": gcp.Properties{"enableComponents": []any{"POD"}}}, "always have SYSTEM_COMPONENTS in monitoringConfig"},
		{"no Prometheus", gcp.Properties{"monitoringConfig": gcp.Properties{"managedPrometheus": gcp.Properties{"enabled": false}}}, "cannot be disabled in Autopilot"},
		{"an account that is missing", gcp.Properties{"clusterAutoscaling": gcp.Properties{"autoProvisioningDefaults": gcp.Properties{
			"serviceAccount": "nobody@test-project.iam.gserviceaccount.com"}}}, "does not exist"},
		{"a key that may not be used", gcp.Properties{"clusterAutoscaling": gcp.Properties{"autoProvisioningDefaults": gcp.Properties{
			"bootDiskKmsKey": gcptest.KeyName}}}, "compute-system.iam.gserviceaccount.com"},
	} {
		if _, err := c.Create(context.Background(), container.KindCluster, gcptest.Here, gcptest.With(autopilotConfig, test.changes)); !strings.Contains(gcptest.ErrorText(err), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	gcptest.Create(t, c, container.KindCluster, autopilotConfig)
	if _, err := c.Create(context.Background(), container.KindNodePool, gcptest.Here, gcptest.PoolConfig); !strings.Contains(gcptest.ErrorText(err), "Autopilot node pools cannot be") {
		t.Errorf("a node pool in an Autopilot cluster: %v, want a refusal", err)
	}
}

// TestAutopilotPermissions checks that whoever creates an Autopilot cluster must be able to act as
// its nodes' account, and needs no permission to remove a default pool.
func TestAutopilotPermissions(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	on := map[string]string{} // the resource, by the permission
	for _, n := range c.Needs(gcp.Call{Verb: gcp.VerbCreate, Kind: container.KindCluster, Name: gcptest.ClusterName, Config: autopilotConfig}) {
		on[n.Permission] = n.Resource
	}
	for permission, want := range map[string]bool{
		"container.clusters.create": true, "iam.serviceAccounts.actAs": true,
		"container.clusters.update": false, "compute.instanceGroupManagers.get": false,
	} {
		if _, asked := on[permission]; asked != want {
			t.Errorf("%s is asked for: %t, want %t", permission, !want, want)
		}
	}
	if resource := on["iam.serviceAccounts.actAs"]; !strings.HasSuffix(resource, "/"+gcptest.AccountEmail) {
		t.Errorf("actAs is asked for on %s, want %s", resource, gcptest.AccountEmail)
	}
}
