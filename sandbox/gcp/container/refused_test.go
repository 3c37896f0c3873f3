package container_test

import (
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("cluster exists", container.KindCluster, gcptest.ClusterConfig, 409, "already exists")
	refuse("cluster name", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": strings.Repeat("a", 41)}), 400, "1-40 characters")
	refuse("cluster location", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "location": "mars"}), 400, `Location "mars" does not exist`)
	refuse("cluster in another region", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "location": "us-east1"}), 400, "is not in the cluster's region")
	refuse("cluster size", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "initialNodeCount": nil}), 400, "initial_node_count must be greater than zero")
	refuse("cluster subnet", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "subnetwork": "nope"}), 404, "subnetworks/nope' was not found")
	refuse("cluster range", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "ipAllocationPolicy": gcp.Properties{"clusterSecondaryRangeName": "nope"}}), 400,
		`Secondary range "nope" does not exist in network "net", subnetwork "sub"`)
	refuse("cluster ranges", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "ipAllocationPolicy": gcp.Properties{
		"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "pods"}}), 400, "must be different")
	refuse("control plane range", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c"}), 400, "overlaps with an existing range")
	refuse("control plane size", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "privateClusterConfig": gcp.Properties{
		"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.0.0/24"}}), 400, "not a /28")
	refuse("public nodes with control plane range", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "privateClusterConfig": gcp.Properties{
		"masterIpv4CidrBlock": "172.16.1.0/28"}}), 400, "enable_private_nodes is false")
	refuse("identity namespace", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "workloadIdentityConfig": gcp.Properties{"workloadPool": "x.svc.id.goog"}}), 400, "the only supported identity namespace")
	refuse("Dataplane V2", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "datapathProvider": "ADVANCED_DATAPATH", "networkPolicy": gcp.Properties{"enabled": true}}), 400, "DatapathProvider=ADVANCED_DATAPATH")
	refuse("monitored component", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "monitoringConfig": gcp.Properties{"enableComponents": []any{"WORKLOADS"}}}), 400, `"WORKLOADS" is not one of SYSTEM_COMPONENTS`)
	refuse("key of the default pool that may not be used", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "nodeConfig": gcp.Properties{"bootDiskKmsKey": gcptest.KeyName},
		"privateClusterConfig": gcp.Properties{"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.1.0/28"}}), 403, "compute-system.iam.gserviceaccount.com")
	refuse("zone", container.KindCluster, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"name": "c", "nodeLocations": []any{"us-east1-b"}}), 400, `Invalid node location "us-east1-b"`)
	refuse("pool without cluster", container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"cluster": "nope", "location": "us-central1"}), 404, "clusters/nope' was not found")
	refuse("pool account", container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"name": "p", "nodeConfig": gcp.Properties{"serviceAccount": "no@test-project.iam.gserviceaccount.com"}}), 400, "does not exist")
	refuse("pool machine type", container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"name": "p", "nodeConfig": gcp.Properties{"machineType": "huge"}}), 400, "must be a machine type")
	refuse("pool upgrades", container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"name": "p", "management": gcp.Properties{"autoUpgrade": false}}), 400,
		"Auto_upgrade cannot be false when release_channel REGULAR is set.")
	refuse("pool autoscaling", container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"name": "p", "autoscaling": gcp.Properties{"minNodeCount": 3.0, "maxNodeCount": 2.0}}), 400, "more than maxNodeCount")
	refuse("pool taint", container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"name": "p", "nodeConfig": gcp.Properties{"taints": []any{gcp.Properties{"key": "k", "effect": "NO_SCHEDULE"}}}}), 400, "nodeConfig.taints': is not emulated")
	refuse("pool addresses", container.KindNodePool, gcptest.With(gcptest.PoolConfig, gcp.Properties{"name": "p", "nodeCount": 400.0}), 400, "IP_SPACE_EXHAUSTED")
}
