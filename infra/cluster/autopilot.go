package cluster

import (
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// autopilot leaves the nodes to GKE, except for their service account. GKE itself sets
// Dataplane V2, Workload Identity, shielded nodes with secure boot, repairs and upgrades,
// and refuses requests that set them (GKE, "Compare features in Autopilot and Standard
// clusters").
func autopilot(cluster *container.ClusterArgs, args *Args) {
	nodes := container.ClusterClusterAutoscalingAutoProvisioningDefaultsArgs{
		ServiceAccount: args.NodeAccount,
		OauthScopes:    pulumi.ToStringArray([]string{cloudPlatform}),
	}
	if args.KMSKey != "" {
		nodes.BootDiskKmsKey = pulumi.String(args.KMSKey)
	}
	cluster.EnableAutopilot = pulumi.Bool(true)
	cluster.ClusterAutoscaling = container.ClusterClusterAutoscalingArgs{AutoProvisioningDefaults: nodes}
	// Pools come and go with the pods: in the state, each would be a diff.
	cluster.SkipNodePoolRefresh = pulumi.Bool(true)
}

// NodeSelector returns the node labels that pods must select for the configured kind of
// nodes. It is nil in a Standard cluster, where all nodes are of that kind.
func NodeSelector(c config.Cluster) pulumi.StringMap {
	if !c.Autopilot || !c.Spot {
		return nil
	}
	// GKE, "Run fault-tolerant workloads at lower costs in Spot Pods".
	return pulumi.StringMap{"cloud.google.com/gke-spot": pulumi.String("true")}
}
