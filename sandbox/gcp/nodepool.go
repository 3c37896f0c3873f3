package gcp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func nodePoolRule(rt Runtime) *rule {
	return &rule{
		kind: KindNodePool, name: "projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name}",
		permissions: verbs{
			VerbCreate: append(on(onObject, "container.clusters.update", "container.operations.get"), asNodes),
			VerbGet:    readPools,
			VerbUpdate: on(onObject, "container.clusters.update", "container.operations.get"),
			VerbDelete: on(onObject, "container.clusters.get", "container.clusters.update", "container.operations.get"),
		},
		noun: "node pool", quota: quota{metric: "NODE_POOLS", limit: 100, within: "clusters"},
		check: checkNodePool, admit: admitNodePool,
		build: func(ctx context.Context, t *change) error {
			err := rt.StartNodes(ctx, nodePoolSpec(t.new))
			if err == nil || t.old != nil {
				return err
			}
			return errors.Join(err, rt.StopNodes(context.WithoutCancel(ctx), segment(t.new.Name, "clusters"), t.new.last()))
		},
		raze: func(ctx context.Context, t *change) error {
			return rt.StopNodes(ctx, segment(t.old.Name, "clusters"), t.old.last())
		},
	}
}

// machineType matches the names of machine types, by family ("Machine families resource and
// comparison guide", Compute Engine documentation).
var machineType = regexp.MustCompile(`^(a2|a3|a4|c2|c2d|c3|c3d|c4|c4a|c4d|e2|f1|g1|g2|h3|m1|m2|m3|m4|n1|n2|n2d|n4|n4a|n4d|t2a|t2d|z3)-` +
	`(micro|small|medium|custom-[0-9]+-[0-9]+|[a-z]+-[0-9]+g?(-[a-z0-9]+)*)$`)

// effects of taints, as GKE spells them, and their Kubernetes names ("Isolate
// your workloads in dedicated node pools", GKE documentation).
var effects = map[string]string{
	"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute",
}

func checkNodePool(p Properties) []Violation {
	c := &checker{p: p}
	c.match("name", clusterName, "be 1-40 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
	c.match("nodeConfig.machineType", machineType, "be a machine type, such as e2-medium or n2-standard-4")
	c.oneOf("nodeConfig.workloadMetadataConfig.mode", "MODE_UNSPECIFIED", "GCE_METADATA", "GKE_METADATA")
	c.oneOf("autoscaling.locationPolicy", "BALANCED", "ANY")
	c.oneOf("upgradeSettings.strategy", "SURGE", "BLUE_GREEN")
	c.oneOf("nodeConfig.kubeletConfig.insecureKubeletReadonlyPortEnabled", "TRUE", "FALSE") // "NodeKubeletConfig", GKE API
	c.between("nodeCount", 0, 1000)
	c.between("initialNodeCount", 0, 1000)
	c.between("nodeConfig.diskSizeGb", 10, 65536)
	c.between("maxPodsPerNode", 8, 256)
	for i, taint := range p.objects("nodeConfig.taints") {
		if e := taint.str("effect"); e != "" && effects[e] == "" {
			c.wrong(fmt.Sprintf("nodeConfig.taints[%d].effect", i), "%q is not one of NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE", e)
		}
	}
	if p.boolean("nodeConfig.spot") && p.boolean("nodeConfig.preemptible") {
		c.wrong("nodeConfig.preemptible", "spot and preemptible cannot both be true")
	}
	low, high := p.number("autoscaling.minNodeCount"), p.number("autoscaling.maxNodeCount")
	if p.has("autoscaling.maxNodeCount") && low > high {
		c.wrong("autoscaling.minNodeCount", "%d is more than maxNodeCount, %d", low, high)
	}
	return c.found
}

func admitNodePool(t *change) error {
	p := t.new.Config
	name, _, _ := strings.Cut(t.new.Name, "/nodePools/")
	cluster, err := t.existingOf(KindCluster, name)
	if err != nil {
		return err
	}
	if autopilot(cluster) {
		return badRequest("Autopilot node pools cannot be accessed or modified.")
	}
	if err := checkClusterPlace(t.new); err != nil {
		return err
	}
	if err := t.nodeAccount(p.str("nodeConfig.serviceAccount")); err != nil {
		return err
	}
	if err := checkManagement(p, cluster.Properties().str("releaseChannel.channel")); err != nil {
		return err
	}
	if p.str("nodeConfig.workloadMetadataConfig.mode") == "GKE_METADATA" && !cluster.Config.has("workloadIdentityConfig") {
		return badRequest("The GKE metadata server requires Workload Identity to be enabled on the cluster.")
	}
	if err := t.mayEncrypt(p.str("nodeConfig.bootDiskKmsKey"), "compute-system"); err != nil {
		return err
	}
	t.completeNodePool(cluster)
	return t.fits(cluster)
}

// checkManagement refuses to switch off what a release channel needs ("Release
// channels": node auto-upgrade and auto-repair).
func checkManagement(p Properties, channel string) error {
	if channel == "UNSPECIFIED" {
		return nil
	}
	for _, key := range []string{"autoUpgrade", "autoRepair"} {
		if p.has("management."+key) && !p.boolean("management."+key) {
			return badRequest("%s cannot be false when release_channel %s is set.", map[string]string{
				"autoUpgrade": "Auto_upgrade", "autoRepair": "Auto_repair"}[key], channel)
		}
	}
	return nil
}

func (t *change) completeNodePool(cluster *Object) {
	p := t.new.Config
	zones := p.strings("nodeLocations")
	if len(zones) == 0 {
		zones = poolZones(cluster)
	}
	var groups []string
	for _, zone := range zones {
		groups = append(groups, fmt.Sprintf("%sprojects/%s/zones/%s/instanceGroupManagers/gke-%s-%s-grp",
			computeBase, t.new.project(), zone, cluster.last(), t.new.last()))
	}
	managed := make([]string, len(groups))
	for i, group := range groups {
		managed[i] = strings.Replace(group, "instanceGroupManagers", "instanceGroups", 1)
	}
	t.new.Status["nodeConfig"] = p.object("nodeConfig").or(Properties{
		"machineType": "e2-medium", "diskSizeGb": 100, "diskType": "pd-balanced", "imageType": "COS_CONTAINERD",
		"serviceAccount": "default", "metadata": Properties{"disable-legacy-endpoints": "true"},
		"oauthScopes": []any{"https://www.googleapis.com/auth/cloud-platform"},
	})
	delete(t.new.Status, "nodeCount") // follows from the description, see nodesPerZone
	t.complete(Properties{
		"instanceGroupUrls": toList(groups), "managedInstanceGroupUrls": toList(managed),
	}, Properties{
		"nodeLocations": toList(zones), "nodeCount": nodesPerZone(p), "initialNodeCount": nodesPerZone(p),
		"maxPodsPerNode": cluster.Properties().number("defaultMaxPodsPerNode"),
		"version":        cluster.Status.str("masterVersion"), "namePrefix": "", "operation": "",
		"management":      Properties{"autoRepair": true, "autoUpgrade": true},
		"upgradeSettings": Properties{"maxSurge": 1, "maxUnavailable": 0, "strategy": "SURGE"},
		"networkConfig":   Properties{"podRange": cluster.Config.str("ipAllocationPolicy.clusterSecondaryRangeName")},
	})
}

// nodesPerZone returns the number of nodes that a pool starts with in each zone. The autoscaler
// of the emulated cloud keeps to the minimum.
func nodesPerZone(p Properties) int {
	if p.has("nodeCount") {
		return p.number("nodeCount")
	}
	if p.has("autoscaling.totalMinNodeCount") {
		return max(p.number("initialNodeCount"), 1)
	}
	return max(p.number("initialNodeCount"), p.number("autoscaling.minNodeCount"))
}

// fits checks that the Pod range is large enough: a node takes at least twice as many addresses
// as it may run Pods, a power of two ("Configure maximum Pods per node", GKE documentation).
func (t *change) fits(cluster *Object) error {
	bits := 32
	for addresses := 1; addresses < 2*t.new.Properties().clone().number("maxPodsPerNode"); addresses *= 2 {
		bits--
	}
	pods := prefix(cluster.Status.str("clusterIpv4Cidr"))
	nodes := nodePoolSpec(t.new).Count
	for _, other := range t.all(KindNodePool, cluster.Name+"/") {
		if other.Name != t.new.Name {
			nodes += nodePoolSpec(other).Count
		}
	}
	if bits < pods.Bits() || nodes > 1<<(bits-pods.Bits()) {
		return &Error{Code: 400, Reason: "failedPrecondition", Message: fmt.Sprintf("IP_SPACE_EXHAUSTED: "+
			"%d nodes with a /%d each do not fit in Pod range %s.", nodes, bits, pods)}
	}
	return nil
}

// nodePoolSpec describes a pool to the runtime.
func nodePoolSpec(o *Object) NodePoolSpec {
	p := o.Properties()
	spec := NodePoolSpec{
		Cluster: segment(o.Name, "clusters"), Name: o.last(), Zones: p.strings("nodeLocations"),
		MachineType: p.str("nodeConfig.machineType"), ServiceAccount: p.str("nodeConfig.serviceAccount"),
		ImageType: p.str("nodeConfig.imageType"), Labels: map[string]string{},
		PodMetadata: p.str("nodeConfig.workloadMetadataConfig.mode") == "GKE_METADATA",
	}
	spec.Count = p.number("nodeCount") * len(spec.Zones)
	for key, value := range p.object("nodeConfig.labels") {
		spec.Labels[key] = fmt.Sprint(value)
	}
	for _, taint := range p.objects("nodeConfig.taints") {
		spec.Taints = append(spec.Taints, Taint{taint.str("key"), taint.str("value"), effects[taint.str("effect")]})
	}
	slices.Sort(spec.Zones)
	return spec
}

// defaultPool returns the pool that a cluster is created with, or nil if it is to be removed
// right away: its nodes are never started then.
func defaultPool(cluster *Object) *Object {
	if autopilot(cluster) {
		return autopilotPool(cluster)
	}
	if cluster.Config.boolean("removeDefaultNodePool") {
		return nil
	}
	return &Object{Kind: KindNodePool, Name: cluster.Name + "/nodePools/default-pool", Config: Properties{}, Status: Properties{
		"nodeLocations": toList(poolZones(cluster)), "nodeCount": float64(cluster.Config.number("initialNodeCount")),
		"nodeConfig": cluster.Config.object("nodeConfig").or(Properties{"machineType": "e2-medium", "imageType": "COS_CONTAINERD", "serviceAccount": "default"}),
	}}
}
