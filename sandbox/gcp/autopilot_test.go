package gcp

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// autopilotConfig describes an Autopilot cluster in the network of the tests.
var autopilotConfig = with(clusterConfig, Properties{
	"enableAutopilot": true, "skipNodePoolRefresh": true, "removeDefaultNodePool": nil, "initialNodeCount": nil, "workloadIdentityConfig": nil,
	"clusterAutoscaling": Properties{"autoProvisioningDefaults": Properties{"serviceAccount": accountEmail}},
})

// readyForAutopilot returns a cloud with all that an Autopilot cluster needs.
func readyForAutopilot(t *testing.T, rt Runtime) *Cloud {
	t.Helper()
	c := open(t, t.TempDir(), rt)
	enable(t, c)
	create(t, c, KindNetwork, Properties{"name": "net", "autoCreateSubnetworks": false})
	create(t, c, KindSubnetwork, subnetConfig)
	create(t, c, KindServiceAccount, Properties{"accountId": "nodes-account"})
	return c
}

// Nodes exist without anybody having created them, and are no objects of the cloud.
func TestAutopilotHasNodes(t *testing.T) {
	t.Parallel()
	rt := newFakeRuntime()
	c := readyForAutopilot(t, rt)
	o := create(t, c, KindCluster, autopilotConfig)
	p := o.Properties().clone()
	if want := []string{"us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f"}; !slices.Equal(p.strings("nodeLocations"), want) {
		t.Errorf("nodeLocations = %v, want all zones of the region, %v", p.strings("nodeLocations"), want)
	}
	if p.str("datapathProvider") != "ADVANCED_DATAPATH" || p.str("workloadIdentityConfig.workloadPool") != "test-project.svc.id.goog" ||
		!p.boolean("enableIntranodeVisibility") || p.str("clusterAutoscaling.autoProvisioningDefaults.serviceAccount") != accountEmail {
		t.Errorf("the cluster is %v, want what Autopilot clusters always have", p)
	}
	pool := rt.pools["gke/nap"]
	if pool.Count != 1 || pool.ServiceAccount != accountEmail || !slices.Equal(pool.Zones, []string{"us-central1-a"}) {
		t.Errorf("the nodes are %+v, want one that runs as %s", pool, accountEmail)
	}
	for _, name := range c.Objects() {
		if strings.Contains(name, "/nodePools/") {
			t.Errorf("the nodes are an object, %s", name)
		}
	}
	delete(rt.pools, "gke/nap")
	if err := c.Resume(context.Background()); err != nil || rt.pools["gke/nap"].Count != 1 {
		t.Errorf("after a restart: %v, nodes %+v, want one", err, rt.pools["gke/nap"])
	}
	remove(t, c, clusterPath)
}

func TestAutopilotRefuses(t *testing.T) {
	t.Parallel()
	c := readyForAutopilot(t, newFakeRuntime())
	for _, test := range []struct {
		name    string
		changes Properties
		want    string
	}{
		{"a zone", Properties{"location": "us-central1-a"}, "Autopilot clusters must be regional"},
		{"no release channel", Properties{"releaseChannel": Properties{"channel": "UNSPECIFIED"}}, "must be in a release channel"},
		{"another dataplane", Properties{"datapathProvider": "LEGACY_DATAPATH"}, "use GKE Dataplane V2"},
		{"no logs", Properties{"loggingConfig": Properties{"enableComponents": []any{}}}, "always have SYSTEM_COMPONENTS in loggingConfig"},
		{"no metrics", Properties{"monitoringConfig": Properties{"enableComponents": []any{"POD"}}}, "always have SYSTEM_COMPONENTS in monitoringConfig"},
		{"no Prometheus", Properties{"monitoringConfig": Properties{"managedPrometheus": Properties{"enabled": false}}}, "cannot be disabled in Autopilot"},
		{"an account that is missing", Properties{"clusterAutoscaling": Properties{"autoProvisioningDefaults": Properties{
			"serviceAccount": "nobody@test-project.iam.gserviceaccount.com"}}}, "does not exist"},
		{"a key that may not be used", Properties{"clusterAutoscaling": Properties{"autoProvisioningDefaults": Properties{
			"bootDiskKmsKey": testKey}}}, "compute-system.iam.gserviceaccount.com"},
	} {
		if _, err := c.Create(context.Background(), KindCluster, here, with(autopilotConfig, test.changes)); !strings.Contains(errorText(err), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	create(t, c, KindCluster, autopilotConfig)
	if _, err := c.Create(context.Background(), KindNodePool, here, poolConfig); !strings.Contains(errorText(err), "Autopilot node pools cannot be") {
		t.Errorf("a node pool in an Autopilot cluster: %v, want a refusal", err)
	}
}

// The account of the nodes is named elsewhere, and there is no default pool to remove.
func TestAutopilotPermissions(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	on := map[string]string{} // the resource, by the permission
	for _, n := range c.Needs(Call{Verb: VerbCreate, Kind: KindCluster, Name: clusterPath, Config: autopilotConfig}) {
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
	if resource := on["iam.serviceAccounts.actAs"]; !strings.HasSuffix(resource, "/"+accountEmail) {
		t.Errorf("actAs is asked for on %s, want %s", resource, accountEmail)
	}
}
