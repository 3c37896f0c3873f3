package gcp

import (
	"strings"
	"testing"
)

func TestRefused_container(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("cluster exists", KindCluster, clusterConfig, 409, "already exists")
	refuse("cluster name", KindCluster, with(clusterConfig, Properties{"name": strings.Repeat("a", 41)}), 400, "1-40 characters")
	refuse("cluster location", KindCluster, with(clusterConfig, Properties{"name": "c", "location": "mars"}), 400, `Location "mars" does not exist`)
	refuse("cluster in another region", KindCluster, with(clusterConfig, Properties{"name": "c", "location": "us-east1"}), 400, "is not in the cluster's region")
	refuse("cluster size", KindCluster, with(clusterConfig, Properties{"name": "c", "initialNodeCount": nil}), 400, "initial_node_count must be greater than zero")
	refuse("cluster subnet", KindCluster, with(clusterConfig, Properties{"name": "c", "subnetwork": "nope"}), 404, "subnetworks/nope' was not found")
	refuse("cluster range", KindCluster, with(clusterConfig, Properties{"name": "c", "ipAllocationPolicy": Properties{"clusterSecondaryRangeName": "nope"}}), 400,
		`Secondary range "nope" does not exist in network "net", subnetwork "sub"`)
	refuse("cluster ranges", KindCluster, with(clusterConfig, Properties{"name": "c", "ipAllocationPolicy": Properties{
		"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "pods"}}), 400, "must be different")
	refuse("control plane range", KindCluster, with(clusterConfig, Properties{"name": "c"}), 400, "overlaps with an existing range")
	refuse("control plane size", KindCluster, with(clusterConfig, Properties{"name": "c", "privateClusterConfig": Properties{
		"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.0.0/24"}}), 400, "not a /28")
	refuse("public nodes with control plane range", KindCluster, with(clusterConfig, Properties{"name": "c", "privateClusterConfig": Properties{
		"masterIpv4CidrBlock": "172.16.1.0/28"}}), 400, "enable_private_nodes is false")
	refuse("identity namespace", KindCluster, with(clusterConfig, Properties{"name": "c", "workloadIdentityConfig": Properties{"workloadPool": "x.svc.id.goog"}}), 400, "the only supported identity namespace")
	refuse("Dataplane V2", KindCluster, with(clusterConfig, Properties{"name": "c", "datapathProvider": "ADVANCED_DATAPATH", "networkPolicy": Properties{"enabled": true}}), 400, "DatapathProvider=ADVANCED_DATAPATH")
	refuse("monitored component", KindCluster, with(clusterConfig, Properties{"name": "c", "monitoringConfig": Properties{"enableComponents": []any{"WORKLOADS"}}}), 400, `"WORKLOADS" is not one of SYSTEM_COMPONENTS`)
	refuse("zone", KindCluster, with(clusterConfig, Properties{"name": "c", "nodeLocations": []any{"us-east1-b"}}), 400, `Invalid node location "us-east1-b"`)
	refuse("pool without cluster", KindNodePool, with(poolConfig, Properties{"cluster": "nope", "location": "us-central1"}), 404, "clusters/nope' was not found")
	refuse("pool account", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeConfig": Properties{"serviceAccount": "no@test-project.iam.gserviceaccount.com"}}), 400, "does not exist")
	refuse("pool machine type", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeConfig": Properties{"machineType": "huge"}}), 400, "must be a machine type")
	refuse("pool upgrades", KindNodePool, with(poolConfig, Properties{"name": "p", "management": Properties{"autoUpgrade": false}}), 400,
		"Auto_upgrade cannot be false when release_channel REGULAR is set.")
	refuse("pool autoscaling", KindNodePool, with(poolConfig, Properties{"name": "p", "autoscaling": Properties{"minNodeCount": 3.0, "maxNodeCount": 2.0}}), 400, "more than maxNodeCount")
	refuse("pool taint", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeConfig": Properties{"taints": []any{Properties{"key": "k", "effect": "NoSchedule"}}}}), 400, "NO_SCHEDULE")
	refuse("pool addresses", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeCount": 400.0}), 400, "IP_SPACE_EXHAUSTED")
}
