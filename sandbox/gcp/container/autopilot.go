package container

import (
	"cmp"
	"slices"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

// autopilot reports whether GKE runs the nodes of a cluster ("GKE Autopilot overview").
func autopilot(cluster *gcp.Object) bool { return cluster.Config.Bool("enableAutopilot") }

// admitAutopilot refuses settings that Autopilot clusters cannot choose ("Compare features in
// Autopilot and Standard clusters", GKE). The provider checks what the client
// refuses before that, because two properties of a description conflict.
func admitAutopilot(t *gcp.Change) error {
	p := t.New.Config
	if at := t.New.Status.Text("location"); at != gcp.RegionOf(at) {
		return gcp.BadRequest("Autopilot clusters must be regional clusters.")
	}
	if p.Text("releaseChannel.channel") == "UNSPECIFIED" {
		return gcp.BadRequest("Autopilot clusters must be in a release channel: RAPID, REGULAR, STABLE or EXTENDED.")
	}
	if provider := p.Text("datapathProvider"); provider != "" && provider != "ADVANCED_DATAPATH" {
		return gcp.BadRequest("Autopilot clusters use GKE Dataplane V2: datapath_provider cannot be %s.", provider)
	}
	for _, key := range []string{"loggingConfig", "monitoringConfig"} { // "About observability for GKE"
		components := p.Texts(key + ".enableComponents")
		if p.Has(key+".enableComponents") && !slices.Contains(components, "SYSTEM_COMPONENTS") {
			return gcp.BadRequest("Autopilot clusters always have SYSTEM_COMPONENTS in %s.", key)
		}
	}
	// "Get started with managed collection", Google Cloud Managed Service for Prometheus.
	if on := "monitoringConfig.managedPrometheus.enabled"; p.Has(on) && !p.Bool(on) {
		return gcp.BadRequest("Managed Service for Prometheus cannot be disabled in Autopilot clusters.")
	}
	nodes := p.Object("clusterAutoscaling.autoProvisioningDefaults")
	if err := checkNodeAccount(t, nodes.Text("serviceAccount")); err != nil {
		return err
	}
	return kms.MayEncrypt(t, nodes.Text("bootDiskKmsKey"), "compute-system")
}

// completeAutopilot adds the values that GKE reports for an Autopilot cluster whose description
// does not set them, as recorded by Config Connector
// (containercluster-autopilot-privilegedadmission).
func completeAutopilot(t *gcp.Change) {
	t.Complete(gcp.Properties{"clusterAutoscaling": gcp.Properties{
		"enabled": true, "autoscalingProfile": "OPTIMIZE_UTILIZATION",
		"autoProvisioningDefaults": gcp.Properties{
			"imageType": "COS_CONTAINERD", "management": gcp.Properties{"autoRepair": true, "autoUpgrade": true},
			"upgradeSettings": gcp.Properties{"maxSurge": 1, "strategy": "SURGE"},
		},
	}}, gcp.Properties{
		"datapathProvider": "ADVANCED_DATAPATH", "enableIntranodeVisibility": true,
		"workloadIdentityConfig": gcp.Properties{"workloadPool": t.New.Project() + ".svc.id.goog"},
		"gatewayApiConfig":       gcp.Properties{"channel": "CHANNEL_STANDARD"},
		"dnsConfig":              gcp.Properties{"clusterDns": "CLOUD_DNS", "clusterDnsScope": "CLUSTER_SCOPE", "clusterDnsDomain": "cluster.local"},
		"addonsConfig":           gcp.Properties{"dnsCacheConfig": gcp.Properties{"enabled": true}, "networkPolicyConfig": gcp.Properties{"disabled": true}},
	})
}

// autopilotPool returns a pool of one node, in the first zone, that stands for all nodes that
// GKE would create for pods, of every kind that a pod can ask for ("About cluster autoscaling":
// nodes are added for pods that find no place).
func autopilotPool(cluster *gcp.Object) *gcp.Object {
	defaults := cluster.Config.Object("clusterAutoscaling.autoProvisioningDefaults")
	return &gcp.Object{Kind: KindNodePool, Name: cluster.Name + "/nodePools/nap", Config: gcp.Properties{}, Status: gcp.Properties{
		"nodeLocations": gcp.List(poolZones(cluster)[:1]), "nodeCount": 1.0,
		"nodeConfig": gcp.Properties{
			"machineType": "ek-standard-8", "imageType": "COS_CONTAINERD", "serviceAccount": cmp.Or(defaults.Text("serviceAccount"), "default"),
			"labels":                 gcp.Properties{"cloud.google.com/gke-spot": "true"},
			"workloadMetadataConfig": gcp.Properties{"mode": "GKE_METADATA"},
		},
	}}
}
