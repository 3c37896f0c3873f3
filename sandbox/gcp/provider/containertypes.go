package provider

import (
	"net/netip"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.com/grpc-edge/sandbox/gcp/container"
)

var clusterType = resourceType{
	kind: container.KindCluster, autoname: "name", maxName: 40, labels: "resourceLabels", place: []string{"location"},
	defaults: map[string]any{"deletionProtection": true, "enableShieldedNodes": true, "network": "default"},
	// container/resource_container_cluster.go: ip_allocation_policy.stack_type; the rest are
	// those of auto_provisioning_defaults and of autoscaling_profile.
	nested: map[string]any{"ipAllocationPolicy.stackType": "IPV4", "clusterAutoscaling.autoscalingProfile": "BALANCED",
		"clusterAutoscaling.autoProvisioningDefaults.diskSize": 100.0, "clusterAutoscaling.autoProvisioningDefaults.diskType": "pd-standard",
		"clusterAutoscaling.autoProvisioningDefaults.imageType": "COS_CONTAINERD"},
	stays:    []string{"nodeLocations"},
	reported: words(`privateClusterConfig.masterIpv4CidrBlock databaseEncryption.state`),
	foreseen: autopilotVisibility,
	conflicts: map[string][]string{"enableAutopilot": words(`addonsConfig.networkPolicyConfig addonsConfig.dnsCacheConfig
		addonsConfig.statefulHaConfig clusterAutoscaling.enabled clusterAutoscaling.resourceLimits binaryAuthorization.enabled
		enableShieldedNodes networkPolicy nodePools removeDefaultNodePool defaultMaxPodsPerNode enableIntranodeVisibility`)},
	replace: append(words(`name location clusterIpv4Cidr description enableKubernetesAlpha enableTpu enableAutopilot
		initialNodeCount confidentialNodes masterAuth.clientCertificateConfig network nodePools project subnetwork
		ipAllocationPolicy.clusterIpv4CidrBlock ipAllocationPolicy.servicesIpv4CidrBlock
		ipAllocationPolicy.clusterSecondaryRangeName ipAllocationPolicy.servicesSecondaryRangeName
		ipAllocationPolicy.podCidrOverprovisionConfig networkingMode privateClusterConfig.masterIpv4CidrBlock
		privateClusterConfig.privateEndpointSubnetwork defaultMaxPodsPerNode datapathProvider
		clusterAutoscaling.autoProvisioningDefaults.bootDiskKmsKey userManagedKeysConfig.clusterCa
		userManagedKeysConfig.etcdApiCa userManagedKeysConfig.etcdPeerCa userManagedKeysConfig.aggregationCa`),
		nodeConfigReplace...),
	replaceIf: map[string]func(old, new any) bool{
		"enableL4IlbSubsetting": disabled, "enableFqdnNetworkPolicy": disabled,
	},
	references: []string{"network", "subnetwork"},
	computed: words(`masterAuth.clusterCaCertificate privateClusterConfig.privateEndpoint privateClusterConfig.publicEndpoint
		controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint ipAllocationPolicy.clusterIpv4CidrBlock
		ipAllocationPolicy.servicesIpv4CidrBlock monitoringConfig.managedPrometheus`),
}

var nodePoolType = resourceType{
	kind: container.KindNodePool, autoname: "name", maxName: 40, place: []string{"project", "location"},
	replace: append(words(`project cluster location placementPolicy queuedProvisioning maxPodsPerNode initialNodeCount name
		namePrefix networkConfig.createPodRange networkConfig.podRange networkConfig.podIpv4CidrBlock
		networkConfig.additionalNodeNetworkConfigs networkConfig.additionalPodNetworkConfigs
		networkConfig.podCidrOverprovisionConfig networkConfig.subnetwork`), nodeConfigReplace...),
	references: []string{"cluster"},
	// container/resource_container_node_pool.go: emptied zones change nothing.
	stays:    []string{"nodeLocations"},
	computed: words(`nodeConfig.machineType nodeConfig.imageType nodeConfig.diskType nodeConfig.diskSizeGb`),
}

// nodeConfigReplace lists the properties of nodes that cannot change in place.
var nodeConfigReplace = words(`nodeConfig.guestAccelerators nodeConfig.localSsdCount nodeConfig.ephemeralStorageLocalSsdConfig
	nodeConfig.localNvmeSsdBlockConfig nodeConfig.secondaryBootDisks nodeConfig.metadata nodeConfig.minCpuPlatform
	nodeConfig.oauthScopes nodeConfig.preemptible nodeConfig.reservationAffinity nodeConfig.spot nodeConfig.serviceAccount
	nodeConfig.shieldedInstanceConfig nodeConfig.sandboxConfig nodeConfig.bootDiskKmsKey nodeConfig.nodeGroup
	nodeConfig.advancedMachineFeatures nodeConfig.soleTenantConfig nodeConfig.hostMaintenancePolicy
	nodeConfig.confidentialNodes.confidentialInstanceType nodeConfig.enableConfidentialStorage
	nodeConfig.localSsdEncryptionMode nodeConfig.maxRunDuration nodeConfig.flexStart`)

// autopilotVisibility: Autopilot clusters have it, which the client says before
// (container/resource_container_cluster.go: containerClusterAutopilotCustomizeDiff).
func autopilotVisibility(_ *session, inputs resource.PropertyMap) resource.PropertyMap {
	if on, _ := plainValue(inputs["enableAutopilot"]).(bool); !on {
		return nil
	}
	return resource.PropertyMap{"enableIntranodeVisibility": resource.NewProperty(true)}
}

// disabled: some features can be switched on but not off.
func disabled(old, new any) bool { return old == true && new != true }

// shrinks: a subnet's range can be expanded but not changed otherwise
// ("Expand a primary IPv4 subnet range", VPC documentation).
func shrinks(old, new any) bool {
	before, after := parseRange(old), parseRange(new)
	return !before.IsValid() || !after.IsValid() || after.Bits() > before.Bits() || !after.Contains(before.Addr())
}

func parseRange(v any) netip.Prefix {
	s, _ := v.(string)
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}
	}
	return p.Masked()
}
