package container

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

func nodePoolResource(rt Runtime) *gcp.Resource {
	return &gcp.Resource{
		Kind: KindNodePool, Noun: "node pool", Name: "projects/{project}/locations/{location:zone}/clusters/{cluster}/nodePools/{name}",
		Permissions: gcp.Verbs{
			gcp.VerbCreate: append(gcp.On(gcp.OnObject, "container.clusters.update", "container.operations.get"), asNodes),
			gcp.VerbGet:    readPools,
			gcp.VerbUpdate: gcp.On(gcp.OnObject, "container.clusters.update", "container.operations.get"),
			gcp.VerbDelete: gcp.On(gcp.OnObject, "container.clusters.get", "container.clusters.update", "container.operations.get"),
		},
		Quota: gcp.Quota{Metric: "NODE_POOLS", Limit: 100, Within: "clusters"},
		Check: checkNodePool, Admit: admitNodePool,
		Build: func(ctx context.Context, t *gcp.Change) error {
			err := rt.StartNodes(ctx, nodePoolSpec(t.New))
			if err == nil || t.Old != nil {
				return err
			}
			return errors.Join(err, rt.StopNodes(context.WithoutCancel(ctx), gcp.Segment(t.New.Name, "clusters"), t.New.ID()))
		},
		Remove: func(ctx context.Context, t *gcp.Change) error {
			return rt.StopNodes(ctx, gcp.Segment(t.Old.Name, "clusters"), t.Old.ID())
		},
	}
}

// machineType matches the names of machine types, by family ("Machine families resource and
// comparison guide", Compute Engine documentation).
var machineType = regexp.MustCompile(`^(a2|a3|a4|c2|c2d|c3|c3d|c4|c4a|c4d|e2|f1|g1|g2|h3|m1|m2|m3|m4|n1|n2|n2d|n4|n4a|n4d|t2a|t2d|z3)-` +
	`(micro|small|medium|custom-[0-9]+-[0-9]+|[a-z]+-[0-9]+g?(-[a-z0-9]+)*)$`)

func checkNodePool(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("name", clusterName, "be 1-40 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
	c.Match("nodeConfig.machineType", machineType, "be a machine type, such as e2-medium or n2-standard-4")
	c.OneOf("nodeConfig.workloadMetadataConfig.mode", "MODE_UNSPECIFIED", "GCE_METADATA", "GKE_METADATA")
	c.OneOf("autoscaling.locationPolicy", "BALANCED", "ANY")
	c.OneOf("upgradeSettings.strategy", "SURGE", "BLUE_GREEN")
	c.OneOf("nodeConfig.kubeletConfig.insecureKubeletReadonlyPortEnabled", "TRUE", "FALSE") // "NodeKubeletConfig", GKE API
	c.Between("nodeCount", 0, 1000)
	c.Between("initialNodeCount", 0, 1000)
	c.Between("nodeConfig.diskSizeGb", 10, 65536)
	c.Between("maxPodsPerNode", 8, 256)
	c.NotEmulated("nodeConfig.taints", "nodeConfig.preemptible")
	low, high := p.Int("autoscaling.minNodeCount"), p.Int("autoscaling.maxNodeCount")
	if p.Has("autoscaling.maxNodeCount") && low > high {
		c.Wrong("autoscaling.minNodeCount", "%d is more than maxNodeCount, %d", low, high)
	}
	return c.Found
}

func admitNodePool(t *gcp.Change) error {
	p := t.New.Config
	name, _, _ := strings.Cut(t.New.Name, "/nodePools/")
	cluster, err := t.ExistingOf(KindCluster, name)
	if err != nil {
		return err
	}
	if autopilot(cluster) {
		return gcp.BadRequest("Autopilot node pools cannot be accessed or modified.")
	}
	if err := checkClusterPlace(t.New); err != nil {
		return err
	}
	if err := checkNodeAccount(t, p.Text("nodeConfig.serviceAccount")); err != nil {
		return err
	}
	if err := checkManagement(p, cluster.Properties().Text("releaseChannel.channel")); err != nil {
		return err
	}
	if p.Text("nodeConfig.workloadMetadataConfig.mode") == "GKE_METADATA" && !cluster.Config.Has("workloadIdentityConfig") {
		return gcp.BadRequest("The GKE metadata server requires Workload Identity to be enabled on the cluster.")
	}
	if err := kms.MayEncrypt(t, p.Text("nodeConfig.bootDiskKmsKey"), "compute-system"); err != nil {
		return err
	}
	completeNodePool(t, cluster)
	return fits(t, cluster)
}

// checkManagement refuses to switch off what a release channel needs ("Release
// channels": node auto-upgrade and auto-repair).
func checkManagement(p gcp.Properties, channel string) error {
	if channel == "UNSPECIFIED" {
		return nil
	}
	for _, key := range []string{"autoUpgrade", "autoRepair"} {
		if p.Has("management."+key) && !p.Bool("management."+key) {
			return gcp.BadRequest("%s cannot be false when release_channel %s is set.", map[string]string{
				"autoUpgrade": "Auto_upgrade", "autoRepair": "Auto_repair"}[key], channel)
		}
	}
	return nil
}

func completeNodePool(t *gcp.Change, cluster *gcp.Object) {
	p := t.New.Config
	zones := p.Texts("nodeLocations")
	if len(zones) == 0 {
		zones = poolZones(cluster)
	}
	var groups []string
	for _, zone := range zones {
		groups = append(groups, fmt.Sprintf("%sprojects/%s/zones/%s/instanceGroupManagers/gke-%s-%s-grp",
			compute.LinkBase, t.New.Project(), zone, cluster.ID(), t.New.ID()))
	}
	managed := make([]string, len(groups))
	for i, group := range groups {
		managed[i] = strings.Replace(group, "instanceGroupManagers", "instanceGroups", 1)
	}
	t.New.Status["nodeConfig"] = p.Object("nodeConfig").Or(gcp.Properties{
		"machineType": "e2-medium", "diskSizeGb": 100, "diskType": "pd-balanced", "imageType": "COS_CONTAINERD",
		"serviceAccount": "default", "metadata": gcp.Properties{"disable-legacy-endpoints": "true"},
		"oauthScopes": []any{"https://www.googleapis.com/auth/cloud-platform"},
	})
	delete(t.New.Status, "nodeCount") // follows from the description, see nodesPerZone
	t.Complete(gcp.Properties{
		"instanceGroupUrls": gcp.List(groups), "managedInstanceGroupUrls": gcp.List(managed),
	}, gcp.Properties{
		"nodeLocations": gcp.List(zones), "nodeCount": nodesPerZone(p), "initialNodeCount": nodesPerZone(p),
		"maxPodsPerNode": cluster.Properties().Int("defaultMaxPodsPerNode"),
		"version":        cluster.Status.Text("masterVersion"), "namePrefix": "", "operation": "",
		"management":      gcp.Properties{"autoRepair": true, "autoUpgrade": true},
		"upgradeSettings": gcp.Properties{"maxSurge": 1, "maxUnavailable": 0, "strategy": "SURGE"},
		"networkConfig":   gcp.Properties{"podRange": cluster.Config.Text("ipAllocationPolicy.clusterSecondaryRangeName")},
	})
}

// nodesPerZone returns the number of nodes that a pool starts with in each zone. The autoscaler
// of the emulated cloud keeps to the minimum.
func nodesPerZone(p gcp.Properties) int {
	if p.Has("nodeCount") {
		return p.Int("nodeCount")
	}
	if p.Has("autoscaling.totalMinNodeCount") {
		return max(p.Int("initialNodeCount"), 1)
	}
	return max(p.Int("initialNodeCount"), p.Int("autoscaling.minNodeCount"))
}

// fits checks that the Pod range is large enough: a node takes at least twice as many addresses
// as it may run Pods, a power of two ("Configure maximum Pods per node", GKE documentation).
func fits(t *gcp.Change, cluster *gcp.Object) error {
	bits := 32
	for addresses := 1; addresses < 2*t.New.Properties().Clone().Int("maxPodsPerNode"); addresses *= 2 {
		bits--
	}
	pods := compute.ParseRange(cluster.Status.Text("clusterIpv4Cidr"))
	nodes := nodePoolSpec(t.New).Count
	for _, other := range t.All(KindNodePool, cluster.Name+"/") {
		if other.Name != t.New.Name {
			nodes += nodePoolSpec(other).Count
		}
	}
	if bits < pods.Bits() || nodes > 1<<(bits-pods.Bits()) {
		return &gcp.Error{Code: 400, Reason: "failedPrecondition", Message: fmt.Sprintf("IP_SPACE_EXHAUSTED: "+
			"%d nodes with a /%d each do not fit in Pod range %s.", nodes, bits, pods)}
	}
	return nil
}

// nodePoolSpec describes a pool to the runtime.
func nodePoolSpec(o *gcp.Object) NodePoolSpec {
	p := o.Properties()
	spec := NodePoolSpec{
		Cluster: gcp.Segment(o.Name, "clusters"), Name: o.ID(), Zones: p.Texts("nodeLocations"),
		MachineType: p.Text("nodeConfig.machineType"), ServiceAccount: p.Text("nodeConfig.serviceAccount"),
		ImageType: p.Text("nodeConfig.imageType"), Labels: map[string]string{},
		PodMetadata: p.Text("nodeConfig.workloadMetadataConfig.mode") == "GKE_METADATA",
	}
	spec.Count = p.Int("nodeCount") * len(spec.Zones)
	for key, value := range p.Object("nodeConfig.labels") {
		spec.Labels[key] = fmt.Sprint(value)
	}
	slices.Sort(spec.Zones)
	return spec
}

// defaultPool returns the pool that a cluster is created with, or nil if it is to be removed
// right away: its nodes are never started then.
func defaultPool(cluster *gcp.Object) *gcp.Object {
	if autopilot(cluster) {
		return autopilotPool(cluster)
	}
	if cluster.Config.Bool("removeDefaultNodePool") {
		return nil
	}
	return &gcp.Object{Kind: KindNodePool, Name: cluster.Name + "/nodePools/default-pool", Config: gcp.Properties{}, Status: gcp.Properties{
		"nodeLocations": gcp.List(poolZones(cluster)), "nodeCount": float64(cluster.Config.Int("initialNodeCount")),
		"nodeConfig": cluster.Config.Object("nodeConfig").Or(gcp.Properties{"machineType": "e2-medium", "imageType": "COS_CONTAINERD", "serviceAccount": "default"}),
	}}
}
