package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newNodePool creates the node pool. An upgrade adds a new node before it drains an old
// one.
func (c *Cluster) newNodePool(ctx *pulumi.Context, name string, gke *container.Cluster, args *Args) (*container.NodePool, error) {
	described := &container.NodePoolArgs{
		Cluster: gke.ID(), // the ID, as the provider would look up a name in its own location
		Management: container.NodePoolManagementArgs{
			AutoRepair:  pulumi.Bool(true),
			AutoUpgrade: pulumi.Bool(true),
		},
		UpgradeSettings: container.NodePoolUpgradeSettingsArgs{
			Strategy:       pulumi.String("SURGE"),
			MaxSurge:       pulumi.Int(1),
			MaxUnavailable: pulumi.Int(0),
		},
		NodeConfig:    nodeConfig(args),
		NodeLocations: zones(args.Zones),
	}
	if args.NodeCountMax == 0 {
		described.NodeCount = pulumi.Int(args.NodeCount)
	} else {
		// NodeCount is not set, as it would revert the autoscaler's choice.
		described.InitialNodeCount = pulumi.Int(args.NodeCount)
		described.Autoscaling = container.NodePoolAutoscalingArgs{
			MinNodeCount: pulumi.Int(args.NodeCount), MaxNodeCount: pulumi.Int(args.NodeCountMax),
			LocationPolicy: pulumi.String(locationPolicy(args.Spot)),
		}
	}
	pool, err := container.NewNodePool(ctx, name+"-nodes", described, pulumi.Parent(c),
		// Another number would replace the pool, although it matters only in the pool's
		// first minute.
		pulumi.IgnoreChanges([]string{"initialNodeCount"}))
	if err != nil {
		return nil, fmt.Errorf("creating the node pool of %q: %w", name, err)
	}
	return pool, nil
}

// locationPolicy returns BALANCED, which spreads nodes over zones. For spot machines it
// returns ANY, which takes them from any zone that has some (GKE, "About cluster
// autoscaling", location policy).
func locationPolicy(spot bool) string {
	if spot {
		return "ANY"
	}
	return "BALANCED"
}

// zones returns nil for no zones, which leaves the choice to GKE.
func zones(names []string) pulumi.StringArrayInput {
	if len(names) == 0 {
		return nil
	}
	return pulumi.ToStringArray(names)
}

// hyperdiskOnly lists the machine series that do not support Persistent Disk (Compute
// Engine, "General-purpose machine family", supported disk types of each series).
var hyperdiskOnly = []string{"c4", "c4a", "c4d", "n4", "n4a", "n4d"}

func diskType(machineType string) string {
	series, _, _ := strings.Cut(machineType, "-")
	if slices.Contains(hyperdiskOnly, series) {
		return "hyperdisk-balanced"
	}
	return "pd-balanced"
}

func nodeConfig(args *Args) container.NodePoolNodeConfigArgs {
	config := container.NodePoolNodeConfigArgs{
		MachineType:    pulumi.String(args.MachineType),
		ImageType:      pulumi.String("COS_CONTAINERD"),
		DiskSizeGb:     pulumi.Int(args.NodeDiskGB),
		DiskType:       pulumi.String(diskType(args.MachineType)),
		Spot:           pulumi.Bool(args.Spot),
		ServiceAccount: args.NodeAccount,
		OauthScopes:    pulumi.ToStringArray([]string{cloudPlatform}),
		// The legacy endpoints of the metadata server would give any pod the node's
		// identity.
		ResourceLabels:         args.Labels,
		Metadata:               pulumi.StringMap{"disable-legacy-endpoints": pulumi.String("true")},
		WorkloadMetadataConfig: container.NodePoolNodeConfigWorkloadMetadataConfigArgs{Mode: pulumi.String("GKE_METADATA")},
		// The port shows the node's pods to anybody who reaches the node, without
		// authentication (GKE, "Disable the kubelet read-only port").
		KubeletConfig: container.NodePoolNodeConfigKubeletConfigArgs{InsecureKubeletReadonlyPortEnabled: pulumi.String("FALSE")},
		ShieldedInstanceConfig: container.NodePoolNodeConfigShieldedInstanceConfigArgs{
			EnableSecureBoot:          pulumi.Bool(true),
			EnableIntegrityMonitoring: pulumi.Bool(true),
		},
	}
	if args.KMSKey != "" {
		config.BootDiskKmsKey = pulumi.String(args.KMSKey)
	}
	if args.Architecture == "arm64" {
		// GKE taints Arm nodes against images of another architecture (GKE, "Prepare an Arm
		// workload for deployment"). Here all nodes have the same architecture, and images
		// are built for it.
		config.TaintConfig = container.NodePoolNodeConfigTaintConfigArgs{ArchitectureTaintBehavior: pulumi.String("NONE")}
	}
	return config
}
