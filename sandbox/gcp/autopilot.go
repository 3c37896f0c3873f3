package gcp

import (
	"cmp"
	"slices"
)

// autopilot reports whether GKE runs the nodes of a cluster ("GKE Autopilot overview").
func autopilot(cluster *Object) bool { return cluster.Config.boolean("enableAutopilot") }

// admitAutopilot refuses what Autopilot clusters have no choice of ("Compare features in
// Autopilot and Standard clusters", GKE). What the client refuses before, because two
// properties of a description conflict, the provider checks.
func admitAutopilot(t *change) error {
	p := t.new.Config
	if at := t.new.Status.str("location"); at != regionOf(at) {
		return badRequest("Autopilot clusters must be regional clusters.")
	}
	if p.str("releaseChannel.channel") == "UNSPECIFIED" {
		return badRequest("Autopilot clusters must be in a release channel: RAPID, REGULAR, STABLE or EXTENDED.")
	}
	if provider := p.str("datapathProvider"); provider != "" && provider != "ADVANCED_DATAPATH" {
		return badRequest("Autopilot clusters use GKE Dataplane V2: datapath_provider cannot be %s.", provider)
	}
	for _, key := range []string{"loggingConfig", "monitoringConfig"} { // "About observability for GKE"
		components := p.strings(key + ".enableComponents")
		if p.has(key+".enableComponents") && !slices.Contains(components, "SYSTEM_COMPONENTS") {
			return badRequest("Autopilot clusters always have SYSTEM_COMPONENTS in %s.", key)
		}
	}
	// "Get started with managed collection", Google Cloud Managed Service for Prometheus.
	if on := "monitoringConfig.managedPrometheus.enabled"; p.has(on) && !p.boolean(on) {
		return badRequest("Managed Service for Prometheus cannot be disabled in Autopilot clusters.")
	}
	nodes := p.object("clusterAutoscaling.autoProvisioningDefaults")
	if err := t.nodeAccount(nodes.str("serviceAccount")); err != nil {
		return err
	}
	return t.mayEncrypt(nodes.str("bootDiskKmsKey"), "compute-system")
}

// completeAutopilot adds what GKE reports of an Autopilot cluster that was told nothing of
// it, as recorded by Config Connector (containercluster-autopilot-privilegedadmission).
func (t *change) completeAutopilot() {
	t.complete(Properties{"clusterAutoscaling": Properties{
		"enabled": true, "autoscalingProfile": "OPTIMIZE_UTILIZATION",
		"autoProvisioningDefaults": Properties{
			"imageType": "COS_CONTAINERD", "management": Properties{"autoRepair": true, "autoUpgrade": true},
			"upgradeSettings": Properties{"maxSurge": 1, "strategy": "SURGE"},
		},
	}}, Properties{
		"datapathProvider": "ADVANCED_DATAPATH", "enableIntranodeVisibility": true,
		"workloadIdentityConfig": Properties{"workloadPool": t.new.project() + ".svc.id.goog"},
		"gatewayApiConfig":       Properties{"channel": "CHANNEL_STANDARD"},
		"dnsConfig":              Properties{"clusterDns": "CLOUD_DNS", "clusterDnsScope": "CLUSTER_SCOPE", "clusterDnsDomain": "cluster.local"},
		"addonsConfig":           Properties{"dnsCacheConfig": Properties{"enabled": true}, "networkPolicyConfig": Properties{"disabled": true}},
	})
}

// autopilotPool returns a pool of one node, in the first zone, that stands for all nodes that
// GKE would create for pods, of every kind that a pod can ask for ("About cluster autoscaling":
// nodes are added for pods that find no place).
func autopilotPool(cluster *Object) *Object {
	defaults := cluster.Config.object("clusterAutoscaling.autoProvisioningDefaults")
	return &Object{Kind: KindNodePool, Name: cluster.Name + "/nodePools/nap", Config: Properties{}, Status: Properties{
		"nodeLocations": toList(poolZones(cluster)[:1]), "nodeCount": 1.0,
		"nodeConfig": Properties{
			"machineType": "ek-standard-8", "imageType": "COS_CONTAINERD", "serviceAccount": cmp.Or(defaults.str("serviceAccount"), "default"),
			"labels":                 Properties{"cloud.google.com/gke-spot": "true"},
			"workloadMetadataConfig": Properties{"mode": "GKE_METADATA"},
		},
	}}
}
