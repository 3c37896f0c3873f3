// Package cluster creates a private GKE cluster, with one node pool or in Autopilot mode,
// and the Kubernetes provider for it.
package cluster

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// cloudPlatform is the scope that leaves a node's permissions to IAM, as Google advises.
// Scopes are the older, coarser mechanism (Compute Engine, "Service accounts").
const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// Cluster is a cluster that is ready to run pods.
type Cluster struct {
	pulumi.ResourceState

	Name, Location pulumi.StringOutput
	// Kubeconfig is a secret; it needs gke-gcloud-auth-plugin on PATH.
	Kubeconfig pulumi.StringOutput
	// Provider creates Kubernetes objects once there are nodes, and deletes them while
	// there still are nodes: finalizers need their controllers.
	Provider *kubernetes.Provider
}

// Args describe the cluster.
type Args struct {
	// Cluster is the configuration of the stack.
	config.Cluster
	Project string
	// Network and Subnet are IDs; the ranges are names of secondary ranges.
	Network, Subnet          pulumi.StringInput
	PodsRange, ServicesRange string
	ControlPlaneCIDR         string
	// DualStack gives nodes and pods IPv6 addresses of the subnet too.
	DualStack   bool
	NodeAccount pulumi.StringInput
	Labels      pulumi.StringMapInput
	// KMSKey encrypts Kubernetes Secrets and the nodes' disks; empty for Google's
	// own keys.
	KMSKey string
	// FlowLogs makes traffic between pods of one node visible to the VPC, so that it is
	// logged.
	FlowLogs bool
	// LeastVersion is the oldest Kubernetes version that the control plane may have, such
	// as 1.35; empty for the version of the release channel.
	LeastVersion string
	// BinaryAuthorization enforces the project's policy for each image.
	BinaryAuthorization bool
	DeletionProtection  bool
}

// New creates the cluster, its nodes and the Kubernetes provider.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	c := &Cluster{}
	if err := ctx.RegisterComponentResource("grpc-edge:cluster:Cluster", name, c, opts...); err != nil {
		return nil, fmt.Errorf("registering cluster %q: %w", name, err)
	}
	gke, err := c.newCluster(ctx, name, args)
	if err != nil {
		return nil, err
	}
	ready := []pulumi.Resource{gke}
	if !args.Autopilot {
		nodes, err := c.newNodePool(ctx, name, gke, args)
		if err != nil {
			return nil, err
		}
		ready = append(ready, nodes)
	}
	c.Name, c.Location, c.Kubeconfig = gke.Name, gke.Location, kubeconfig(gke, args.DNSEndpoint)
	c.Provider, err = kubernetes.NewProvider(ctx, name, &kubernetes.ProviderArgs{
		Kubeconfig: c.Kubeconfig,
		// Only another cluster replaces the provider, and with it all objects. A new
		// address or CA of the same cluster does not (pulumi-kubernetes issue 1148).
		ClusterIdentifier: gke.ID(),
		// A renewed certificate changes its Secret in place: Envoy watches the file. A
		// replaced Secret would restart every pod.
		EnableSecretMutable: pulumi.Bool(true),
		// An update reverts manual changes. Otherwise that person would own the field, and
		// every later update would fail (pulumi-kubernetes issue 2257).
		EnablePatchForce: pulumi.Bool(true),
	}, pulumi.Parent(c), pulumi.DependsOn(ready))
	if err != nil {
		return nil, fmt.Errorf("configuring the Kubernetes provider of %q: %w", name, err)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"name": c.Name, "location": c.Location, "kubeconfig": c.Kubeconfig,
	})
}

func (c *Cluster) newCluster(ctx *pulumi.Context, name string, args *Args) (*container.Cluster, error) {
	described := clusterArgs(args)
	secure(described, args)
	// The cluster is not deleted before it is replaced. Google refuses another cluster as
	// long as this one has its range of the control plane, which gives people time to
	// reconsider.
	options := []pulumi.ResourceOption{pulumi.Parent(c), pulumi.Protect(args.DeletionProtection)}
	var ignored []string
	if args.Autopilot {
		autopilot(described, args)
	} else {
		standard(described, args)
		// These fields describe the default pool, which is deleted after the first minutes.
		// GKE reports other values than were requested (pulumi-gcp issues 744, 88).
		ignored = append(ignored, "initialNodeCount", "nodeConfig", "nodePools")
	}
	if args.DNSEndpoint {
		// The range is for IP endpoints. Another range than was requested, or none, would
		// replace the cluster.
		ignored = append(ignored, "privateClusterConfig.masterIpv4CidrBlock")
	}
	gke, err := container.NewCluster(ctx, name, described, append(options, pulumi.IgnoreChanges(ignored))...)
	if err != nil {
		return nil, fmt.Errorf("creating GKE cluster %q: %w", name, err)
	}
	return gke, nil
}

// clusterArgs returns the settings that clusters of both modes share.
func clusterArgs(args *Args) *container.ClusterArgs {
	allocation := container.ClusterIpAllocationPolicyArgs{
		ClusterSecondaryRangeName:  pulumi.String(args.PodsRange),
		ServicesSecondaryRangeName: pulumi.String(args.ServicesRange),
	}
	if args.DualStack {
		allocation.StackType = pulumi.String("IPV4_IPV6")
	}
	described := &container.ClusterArgs{
		Location:           pulumi.String(args.Location),
		DeletionProtection: pulumi.Bool(args.DeletionProtection),
		ReleaseChannel:     container.ClusterReleaseChannelArgs{Channel: pulumi.String(args.ReleaseChannel)},

		Network:            args.Network,
		Subnetwork:         args.Subnet,
		NetworkingMode:     pulumi.String("VPC_NATIVE"),
		IpAllocationPolicy: allocation,
		PrivateClusterConfig: container.ClusterPrivateClusterConfigArgs{
			EnablePrivateNodes: pulumi.Bool(true),
			// The public endpoint is for Pulumi, from the authorized networks only. Without
			// IP endpoints there is none, and the API reports that.
			EnablePrivateEndpoint: pulumi.Bool(args.DNSEndpoint),
			MasterIpv4CidrBlock:   pulumi.String(args.ControlPlaneCIDR),
		},
		MasterAuth: container.ClusterMasterAuthArgs{
			ClientCertificateConfig: container.ClusterMasterAuthClientCertificateConfigArgs{
				IssueClientCertificate: pulumi.Bool(false),
			},
		},

		LoggingConfig: container.ClusterLoggingConfigArgs{
			EnableComponents: pulumi.ToStringArray(args.Logging),
		},
		MonitoringConfig: container.ClusterMonitoringConfigArgs{
			EnableComponents:  pulumi.ToStringArray([]string{"SYSTEM_COMPONENTS"}),
			ManagedPrometheus: container.ClusterMonitoringConfigManagedPrometheusArgs{Enabled: pulumi.Bool(true)},
		},
		MaintenancePolicy: maintenancePolicy(args.Maintenance),
		ResourceLabels:    args.Labels,
		// Breaks the bill down by namespace and label, free of charge.
		CostManagementConfig: container.ClusterCostManagementConfigArgs{Enabled: pulumi.Bool(true)},
	}
	if args.LeastVersion != "" {
		described.MinMasterVersion = pulumi.String(args.LeastVersion)
	}
	return described
}

// standard adds the settings that Autopilot clusters have built in, and that GKE refuses
// for them.
func standard(cluster *container.ClusterArgs, args *Args) {
	cluster.DatapathProvider = pulumi.String("ADVANCED_DATAPATH")
	cluster.WorkloadIdentityConfig = container.ClusterWorkloadIdentityConfigArgs{
		WorkloadPool: pulumi.String(args.Project + ".svc.id.goog"),
	}
	cluster.EnableShieldedNodes = pulumi.Bool(true)
	cluster.EnableIntranodeVisibility = pulumi.Bool(args.FlowLogs)
	// Envoy finds pods by DNS. With the cache, DNS survives the loss of a kube-dns pod, and
	// queries by UDP stay on the node (GKE, "Setting up NodeLocal DNSCache"). New clusters
	// have it since 1.34.1.
	cluster.AddonsConfig = container.ClusterAddonsConfigArgs{
		DnsCacheConfig: container.ClusterAddonsConfigDnsCacheConfigArgs{Enabled: pulumi.Bool(true)},
	}
	// The stack uses no Gateway. With one, anybody who may write to a namespace could open
	// another entry point.
	cluster.GatewayApiConfig = container.ClusterGatewayApiConfigArgs{Channel: pulumi.String("CHANNEL_DISABLED")}
	// GKE cannot create a cluster without a default pool. Its nodes live for minutes. They
	// use our account, as many organizations disable the default one. They are small, and
	// their disks are not SSDs: in a regional cluster, three of the default size exceed the
	// 250 GB of SSD that a new project may have in a region
	// (terraform-google-kubernetes-engine issue 1795).
	cluster.RemoveDefaultNodePool = pulumi.Bool(true)
	cluster.InitialNodeCount = pulumi.Int(1)
	nodes := container.ClusterNodeConfigArgs{
		MachineType:    pulumi.String("e2-medium"),
		DiskType:       pulumi.String("pd-standard"),
		DiskSizeGb:     pulumi.Int(30),
		ServiceAccount: args.NodeAccount,
		OauthScopes:    pulumi.ToStringArray([]string{cloudPlatform}),
		ShieldedInstanceConfig: container.ClusterNodeConfigShieldedInstanceConfigArgs{
			EnableSecureBoot:          pulumi.Bool(true),
			EnableIntegrityMonitoring: pulumi.Bool(true),
		},
	}
	if args.KMSKey != "" {
		nodes.BootDiskKmsKey = pulumi.String(args.KMSKey)
	}
	cluster.NodeConfig = nodes
}
