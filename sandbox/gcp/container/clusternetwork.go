package container

import (
	"cmp"
	"net/netip"
	"slices"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
)

// Ranges of clusters that name none.
var (
	// podPool is the range from which GKE takes /14 Pod ranges ("Creating a VPC-native cluster":
	// default ranges).
	podPool = netip.MustParsePrefix("10.0.0.0/8")
	// managedServices is the range that GKE uses for the Services of all clusters ("VPC-native
	// clusters": GKE-managed Service range).
	managedServices = netip.MustParsePrefix("34.118.224.0/20")
	// controlPlane is for clusters whose control plane needs no range of its
	// own any more ("Private Service Connect" in "About network isolation in GKE").
	controlPlane = netip.MustParsePrefix("172.16.0.0/28")
)

// admitClusterNetwork finds the cluster's subnet and ranges, and checks that they
// exist and do not overlap ("VPC-native clusters", GKE documentation).
func admitClusterNetwork(t *gcp.Change) error {
	p := t.New.Config
	network, err := t.LookUp(compute.KindNetwork, cmp.Or(p.Text("network"), "default"))
	if err != nil {
		return err
	}
	subnet, err := t.LookUp(compute.KindSubnetwork, cmp.Or(p.Text("subnetwork"), "default"))
	if err != nil {
		return err
	}
	if !slices.Contains(subnet.Uses, network.Name) {
		return gcp.BadRequest("Subnetwork %q is not in network %q.", subnet.Name, network.Name)
	}
	if gcp.Segment(subnet.Name, "regions") != gcp.RegionOf(t.New.Status.Text("location")) {
		return gcp.BadRequest("Subnetwork %q is not in the cluster's region %q.", subnet.Name, gcp.RegionOf(t.New.Status.Text("location")))
	}
	t.New.Uses = []string{network.Name, subnet.Name}
	for _, name := range clusterRangeNames(p) {
		t.New.Uses = append(t.New.Uses, subnet.Name+"/"+name)
	}
	t.New.Status.Merge(gcp.Properties{"network": network.Name, "subnetwork": subnet.Name})
	pods, err := clusterRange(t, subnet, "cluster", podPool, 14)
	if err != nil {
		return err
	}
	services, err := clusterRange(t, subnet, "services", managedServices, 20)
	if err != nil {
		return err
	}
	if pods.Overlaps(services) {
		return gcp.BadRequest("Pod range %s and Service range %s of the cluster must be different.", pods, services)
	}
	return checkControlPlane(t, subnet, pods, services)
}

// checkFamilies checks that the subnet of a dual-stack cluster is dual-stack. An update of the
// cluster does not change the subnet ("ClusterUpdate", GKE API: desiredStackType).
func checkFamilies(t *gcp.Change) error {
	if !dualStack(t.New) {
		return nil
	}
	subnet, err := t.LookUp(compute.KindSubnetwork, t.New.Status.Text("subnetwork"))
	if err == nil && subnet.Properties().Text("stackType") != "IPV4_IPV6" {
		return gcp.BadRequest("Subnetwork %q of a cluster with stack type IPV4_IPV6 must have that stack type too.", subnet.Name)
	}
	return err
}

// clusterRange returns the range for Pods ("cluster") or Services: a secondary range of the
// subnet, a given CIDR range, or a range that GKE picks.
func clusterRange(t *gcp.Change, subnet *gcp.Object, of string, pool netip.Prefix, bits int) (netip.Prefix, error) {
	key := "ipAllocationPolicy." + of
	name, block := t.New.Config.Text(key+"SecondaryRangeName"), t.New.Config.Text(key+"Ipv4CidrBlock")
	if name != "" && block != "" {
		return netip.Prefix{}, gcp.BadRequest("%sIpv4CidrBlock and %sSecondaryRangeName cannot both be set.", of, of)
	}
	found, ok := compute.SecondaryRange(subnet, name)
	switch {
	case name != "" && !ok:
		return found, gcp.BadRequest("Secondary range %q does not exist in network %q, subnetwork %q.",
			name, gcp.LastSegment(subnet.Uses[0]), subnet.ID())
	case block != "" && compute.RangeProblem(block) != "":
		return found, gcp.BadRequest("Invalid %s of ipAllocationPolicy %q: %s.", of+"Ipv4CidrBlock", block, compute.RangeProblem(block))
	case block != "":
		found = compute.ParseRange(block)
	case !ok:
		if found, ok = compute.FreeRange(pool, bits, takenBeside(t, subnet)); !ok {
			return found, gcp.BadRequest("No range of /%d is left in %s for the cluster.", bits, pool)
		}
	}
	t.New.Status.Merge(gcp.Properties{"ipAllocationPolicy": gcp.Properties{of + "Ipv4CidrBlock": found.String()}})
	if of == "cluster" {
		t.New.Status["clusterIpv4Cidr"] = found.String()
	} else {
		t.New.Status["servicesIpv4Cidr"] = found.String()
	}
	return found, nil
}

// takenBeside returns the ranges of the subnets in a subnet's network, and of
// the clusters in it that picked their own.
func takenBeside(t *gcp.Change, subnet *gcp.Object) []netip.Prefix {
	var taken []netip.Prefix
	for _, o := range t.All("", "") {
		if !slices.Contains(o.Uses, subnet.Uses[0]) || o == t.New {
			continue
		}
		switch o.Kind {
		case compute.KindSubnetwork:
			taken = append(taken, compute.Ranges(o)...)
		case KindCluster:
			taken = append(taken, compute.ParseRange(o.Status.Text("clusterIpv4Cidr")))
		}
	}
	return taken
}

// checkControlPlane checks that the control plane's range is free in the network.
func checkControlPlane(t *gcp.Change, subnet *gcp.Object, pods, services netip.Prefix) error {
	block := t.New.Config.Text("privateClusterConfig.masterIpv4CidrBlock")
	if block == "" {
		return nil
	}
	if !t.New.Config.Bool("privateClusterConfig.enablePrivateNodes") {
		return gcp.BadRequest("Cannot specify master_ipv4_cidr_block when private_cluster_config.enable_private_nodes is false.")
	}
	taken := append(takenBeside(t, subnet), pods, services)
	for _, o := range t.All(KindCluster, "projects/") {
		if slices.Contains(o.Uses, subnet.Uses[0]) {
			taken = append(taken, compute.ParseRange(o.Config.Text("privateClusterConfig.masterIpv4CidrBlock")))
		}
	}
	if compute.OverlapsAny(compute.ParseRange(block), taken) {
		return gcp.BadRequest("The given master_ipv4_cidr %s overlaps with an existing range in network %s.", block, gcp.LastSegment(subnet.Uses[0]))
	}
	return nil
}

// clusterSpec describes a cluster to the runtime.
func clusterSpec(v gcp.View, o *gcp.Object) (ClusterSpec, error) {
	p := o.Properties()
	subnet, ok := v.Object(p.Text("subnetwork"))
	if !ok {
		return ClusterSpec{}, gcp.NotFound(p.Text("subnetwork"))
	}
	spec := ClusterSpec{
		Name: o.ID(), Project: o.Project(), Location: p.Text("location"),
		SubnetCIDR: compute.ParseRange(subnet.Config.Text("ipCidrRange")), PodCIDR: compute.ParseRange(p.Text("clusterIpv4Cidr")),
		ServiceCIDR: compute.ParseRange(p.Text("servicesIpv4Cidr")), ControlPlaneCIDR: controlPlane,
		ManagedPrometheus: managedPrometheus(o), Autopilot: autopilot(o), BinaryAuthorization: enforces(o), DualStack: dualStack(o),
		WorkloadIdentity: p.Text("workloadIdentityConfig.workloadPool") != "",
	}
	if block := o.Config.Text("privateClusterConfig.masterIpv4CidrBlock"); block != "" {
		spec.ControlPlaneCIDR = compute.ParseRange(block)
	}
	return spec, nil
}
