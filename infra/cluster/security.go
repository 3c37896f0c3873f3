package cluster

import (
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// secure adds the stack's choices of access to the control plane, encryption keys and
// admission of images.
func secure(cluster *container.ClusterArgs, args *Args) {
	reach(cluster, args)
	posture := "DISABLED"
	if args.SecurityPosture {
		posture = "BASIC"
	}
	cluster.SecurityPostureConfig = container.ClusterSecurityPostureConfigArgs{
		Mode: pulumi.String(posture),
		// Scanning of running images has ended (GKE, "About workload vulnerability scanning").
		VulnerabilityMode: pulumi.String("VULNERABILITY_DISABLED"),
	}
	evaluation := "DISABLED"
	if args.BinaryAuthorization {
		evaluation = "PROJECT_SINGLETON_POLICY_ENFORCE"
	}
	cluster.BinaryAuthorization = container.ClusterBinaryAuthorizationArgs{EvaluationMode: pulumi.String(evaluation)}
	// Set in both cases: if left out, the cluster would stay encrypted with a key that it
	// may no longer use.
	encryption := container.ClusterDatabaseEncryptionArgs{State: pulumi.String("DECRYPTED")}
	if args.KMSKey != "" {
		encryption = container.ClusterDatabaseEncryptionArgs{State: pulumi.String("ENCRYPTED"), KeyName: pulumi.String(args.KMSKey)}
	}
	cluster.DatabaseEncryption = encryption
}

// reach configures access to the Kubernetes API: by address, from the authorized networks
// only, or by DNS name, for identities that IAM allows.
func reach(cluster *container.ClusterArgs, args *Args) {
	// Both endpoints are set in both cases: a field that is left out keeps its value.
	cluster.ControlPlaneEndpointsConfig = container.ClusterControlPlaneEndpointsConfigArgs{
		DnsEndpointConfig: container.ClusterControlPlaneEndpointsConfigDnsEndpointConfigArgs{AllowExternalTraffic: pulumi.Bool(args.DNSEndpoint)},
		IpEndpointsConfig: container.ClusterControlPlaneEndpointsConfigIpEndpointsConfigArgs{Enabled: pulumi.Bool(!args.DNSEndpoint)},
	}
	if args.DNSEndpoint {
		return
	}
	var blocks container.ClusterMasterAuthorizedNetworksConfigCidrBlockArray
	for _, cidr := range args.AuthorizedNetworks {
		blocks = append(blocks, container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs{CidrBlock: pulumi.String(cidr)})
	}
	cluster.MasterAuthorizedNetworksConfig = container.ClusterMasterAuthorizedNetworksConfigArgs{
		CidrBlocks: blocks,
		// Otherwise any machine in Google Cloud, of any customer, could connect.
		GcpPublicCidrsAccessEnabled: pulumi.Bool(false),
	}
}
