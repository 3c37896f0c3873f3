package gcpprovider

import (
	"net/netip"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.com/grpc-edge/sandbox/gcp/container"
)

var clusterType = resourceType{
	source: "container/resource_container_cluster.go",
	kind:   container.KindCluster, autoname: "name", maxName: 40, labels: "resourceLabels", place: []string{"location"},
	defaults: map[string]any{"deletionProtection": true, "enableShieldedNodes": true, "network": "default"},
	nested: map[string]any{"ipAllocationPolicy.stackType": "IPV4", "clusterAutoscaling.autoscalingProfile": "BALANCED",
		"clusterAutoscaling.autoProvisioningDefaults.diskSize": 100.0, "clusterAutoscaling.autoProvisioningDefaults.diskType": "pd-standard",
		"clusterAutoscaling.autoProvisioningDefaults.imageType":                                        "COS_CONTAINERD",
		"clusterAutoscaling.autoProvisioningDefaults.serviceAccount":                                   "default",
		"clusterAutoscaling.autoProvisioningDefaults.shieldedInstanceConfig.enableIntegrityMonitoring": true,
		"nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring":                                  true},
	stays:    []string{"nodeLocations"},
	reported: words(`privateClusterConfig.masterIpv4CidrBlock databaseEncryption.state`),
	foreseen: autopilotVisibility,
	conflicts: map[string][]string{"enableAutopilot": words(`addonsConfig.networkPolicyConfig addonsConfig.dnsCacheConfig
		addonsConfig.statefulHaConfig clusterAutoscaling.enabled clusterAutoscaling.resourceLimits binaryAuthorization.enabled
		enableShieldedNodes networkPolicy nodePools removeDefaultNodePool defaultMaxPodsPerNode enableIntranodeVisibility`)},
	replace: append(words(`name location clusterIpv4Cidr description enableKubernetesAlpha enableTpu enableAutopilot
		initialNodeCount confidentialNodes masterAuth.clientCertificateConfig network nodePools project subnetwork
		dataplaneOptimizationMode tpuConfig.enabled tpuConfig.useServiceNetworking
		ipAllocationPolicy.clusterIpv4CidrBlock ipAllocationPolicy.servicesIpv4CidrBlock ipAllocationPolicy.clusterSecondaryRangeName
		ipAllocationPolicy.servicesSecondaryRangeName ipAllocationPolicy.podCidrOverprovisionConfig
		networkingMode privateClusterConfig.masterIpv4CidrBlock
		privateClusterConfig.privateEndpointSubnetwork defaultMaxPodsPerNode datapathProvider
		clusterAutoscaling.autoProvisioningDefaults.bootDiskKmsKey userManagedKeysConfig.clusterCa
		userManagedKeysConfig.etcdApiCa userManagedKeysConfig.etcdPeerCa userManagedKeysConfig.aggregationCa`),
		nodeConfigReplace...),
	replaceIf: map[string]func(old, new any) bool{
		"enableL4IlbSubsetting": disabled, "enableFqdnNetworkPolicy": disabled,
	},
	references: []string{"network", "subnetwork"},
	sets: words(`nodeLocations nodeConfig.oauthScopes masterAuthorizedNetworksConfig.cidrBlocks loggingConfig.enableComponents
		monitoringConfig.enableComponents maintenancePolicy.maintenanceExclusions`),
	computed: words(`masterAuth.clusterCaCertificate privateClusterConfig.privateEndpoint privateClusterConfig.publicEndpoint
		controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint ipAllocationPolicy.clusterIpv4CidrBlock
		ipAllocationPolicy.servicesIpv4CidrBlock monitoringConfig.managedPrometheus`),
}

var nodePoolType = resourceType{
	source: "container/resource_container_node_pool.go", // and node_config.go
	kind:   container.KindNodePool, autoname: "name", maxName: 40, place: []string{"project", "location"},
	replace: append(words(`project cluster location placementPolicy queuedProvisioning maxPodsPerNode initialNodeCount name
		namePrefix networkConfig.acceleratorNetworkProfile networkConfig.createPodRange networkConfig.podRange networkConfig.podIpv4CidrBlock
		networkConfig.additionalNodeNetworkConfigs networkConfig.additionalPodNetworkConfigs
		networkConfig.podCidrOverprovisionConfig networkConfig.subnetwork`), nodeConfigReplace...),
	references: []string{"cluster"},
	sets:       words("nodeLocations nodeConfig.oauthScopes"),
	nested: map[string]any{"management.autoRepair": true, "management.autoUpgrade": true, "upgradeSettings.strategy": "SURGE",
		"nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring": true},
	stays:    words("nodeDrainConfigs nodeLocations"), // emptied zones change nothing
	replaced: []string{"nodeConfig"},
	computed: words(`nodeConfig.machineType nodeConfig.imageType nodeConfig.diskType nodeConfig.diskSizeGb`),
}

// nodeConfigReplace lists the properties of nodes that cannot change in place
// (container/node_config.go: schemaNodeConfig).
var nodeConfigReplace = words(`nodeConfig.guestAccelerators nodeConfig.localSsdCount
	nodeConfig.ephemeralStorageConfig nodeConfig.ephemeralStorageLocalSsdConfig
	nodeConfig.localNvmeSsdBlockConfig nodeConfig.secondaryBootDisks nodeConfig.metadata nodeConfig.minCpuPlatform
	nodeConfig.oauthScopes nodeConfig.preemptible nodeConfig.reservationAffinity nodeConfig.spot nodeConfig.serviceAccount
	nodeConfig.shieldedInstanceConfig nodeConfig.sandboxConfig nodeConfig.bootDiskKmsKey nodeConfig.nodeGroup
	nodeConfig.advancedMachineFeatures.threadsPerCore nodeConfig.advancedMachineFeatures.enableNestedVirtualization
	nodeConfig.soleTenantConfig nodeConfig.hostMaintenancePolicy
	nodeConfig.confidentialNodes.confidentialInstanceType nodeConfig.enableConfidentialStorage
	nodeConfig.localSsdEncryptionMode nodeConfig.maxRunDuration nodeConfig.flexStart`)

// autopilotVisibility returns the intranode visibility, which Autopilot clusters always have
// (containerClusterAutopilotCustomizeDiff).
func autopilotVisibility(_ *session, inputs resource.PropertyMap) resource.PropertyMap {
	if on, _ := plainValue(inputs["enableAutopilot"]).(bool); !on {
		return nil
	}
	return resource.PropertyMap{"enableIntranodeVisibility": resource.NewProperty(true)}
}

// disabled reports whether a feature that can only be switched on is switched off
// (container/resource_container_cluster.go: isBeenEnabled).
func disabled(old, new any) bool { return old == true && new != true }

// shrinks reports whether a subnet's range changes other than by expanding
// (compute/resource_compute_subnetwork.go: IsShrinkageIpCidr).
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
