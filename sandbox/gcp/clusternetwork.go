package gcp

import (
	"cmp"
	"net/netip"
	"slices"
)

// Ranges of clusters that name none.
var (
	// podPool is the range from which GKE takes /14 Pod ranges ("Creating a VPC-native cluster":
	// default ranges).
	podPool = netip.MustParsePrefix("10.0.0.0/8")
	// managedServices is the range that GKE uses for the Services of all clusters ("VPC-native
	// clusters": GKE-managed Service range).
	managedServices = netip.MustParsePrefix("34.118.224.0/20")
	// controlPlane is for clusters whose control plane needs no range of their
	// own any more ("Private Service Connect" in "About network isolation in GKE").
	controlPlane = netip.MustParsePrefix("172.16.0.0/28")
)

// admitClusterNetwork finds the cluster's subnet and ranges and wants them to
// exist and not to overlap ("VPC-native clusters", GKE documentation).
func (t *change) admitClusterNetwork() error {
	p := t.new.Config
	network, err := t.lookUp(KindNetwork, cmp.Or(p.str("network"), "default"))
	if err != nil {
		return err
	}
	subnet, err := t.lookUp(KindSubnetwork, cmp.Or(p.str("subnetwork"), "default"))
	if err != nil {
		return err
	}
	if !slices.Contains(subnet.Uses, network.Name) {
		return badRequest("Subnetwork %q is not in network %q.", subnet.Name, network.Name)
	}
	if segment(subnet.Name, "regions") != regionOf(t.new.Status.str("location")) {
		return badRequest("Subnetwork %q is not in the cluster's region %q.", subnet.Name, regionOf(t.new.Status.str("location")))
	}
	t.new.Uses = []string{network.Name, subnet.Name}
	for _, name := range clusterRangeNames(p) {
		t.new.Uses = append(t.new.Uses, subnet.Name+"/"+name)
	}
	t.new.Status.merge(Properties{"network": network.Name, "subnetwork": subnet.Name})
	pods, err := t.clusterRange(subnet, "cluster", podPool, 14)
	if err != nil {
		return err
	}
	services, err := t.clusterRange(subnet, "services", managedServices, 20)
	if err != nil {
		return err
	}
	if pods.Overlaps(services) {
		return badRequest("Pod range %s and Service range %s of the cluster must be different.", pods, services)
	}
	return t.checkControlPlane(subnet, pods, services)
}

// clusterRange returns the range for Pods ("cluster") or Services: a secondary range of the
// subnet, a given CIDR range, or a range that GKE picks.
func (t *change) clusterRange(subnet *Object, of string, pool netip.Prefix, bits int) (netip.Prefix, error) {
	key := "ipAllocationPolicy." + of
	name, block := t.new.Config.str(key+"SecondaryRangeName"), t.new.Config.str(key+"Ipv4CidrBlock")
	if name != "" && block != "" {
		return netip.Prefix{}, badRequest("%sIpv4CidrBlock and %sSecondaryRangeName cannot both be set.", of, of)
	}
	found, ok := secondaryRange(subnet, name)
	switch {
	case name != "" && !ok:
		return found, badRequest("Secondary range %q does not exist in network %q, subnetwork %q.",
			name, lastSegment(subnet.Uses[0]), subnet.last())
	case block != "" && rangeProblem(block) != "":
		return found, badRequest("Invalid %s of ipAllocationPolicy %q: %s.", of+"Ipv4CidrBlock", block, rangeProblem(block))
	case block != "":
		found = prefix(block)
	case !ok:
		if found, ok = freeRange(pool, bits, t.takenBeside(subnet)); !ok {
			return found, badRequest("No range of /%d is left in %s for the cluster.", bits, pool)
		}
	}
	t.new.Status.merge(Properties{"ipAllocationPolicy": Properties{of + "Ipv4CidrBlock": found.String()}})
	if of == "cluster" {
		t.new.Status["clusterIpv4Cidr"] = found.String()
	} else {
		t.new.Status["servicesIpv4Cidr"] = found.String()
	}
	return found, nil
}

// takenBeside returns the ranges of the subnets in a subnet's network, and of
// the clusters in it that picked their own.
func (t *change) takenBeside(subnet *Object) []netip.Prefix {
	var taken []netip.Prefix
	for _, o := range t.all("", "") {
		if !slices.Contains(o.Uses, subnet.Uses[0]) || o == t.new {
			continue
		}
		switch o.Kind {
		case KindSubnetwork:
			taken = append(taken, ranges(o)...)
		case KindCluster:
			taken = append(taken, prefix(o.Status.str("clusterIpv4Cidr")))
		}
	}
	return taken
}

// checkControlPlane checks that the control plane's range is free in the network.
func (t *change) checkControlPlane(subnet *Object, pods, services netip.Prefix) error {
	block := t.new.Config.str("privateClusterConfig.masterIpv4CidrBlock")
	if block == "" {
		return nil
	}
	if !t.new.Config.boolean("privateClusterConfig.enablePrivateNodes") {
		return badRequest("Cannot specify master_ipv4_cidr_block when private_cluster_config.enable_private_nodes is false.")
	}
	taken := append(t.takenBeside(subnet), pods, services)
	for _, o := range t.all(KindCluster, "projects/") {
		if slices.Contains(o.Uses, subnet.Uses[0]) {
			taken = append(taken, prefix(o.Config.str("privateClusterConfig.masterIpv4CidrBlock")))
		}
	}
	if overlapsAny(prefix(block), taken) {
		return badRequest("The given master_ipv4_cidr %s overlaps with an existing range in network %s.", block, lastSegment(subnet.Uses[0]))
	}
	return nil
}

// clusterSpec describes a cluster to the runtime.
func clusterSpec(v View, o *Object) (ClusterSpec, error) {
	p := o.Properties()
	subnet, ok := v.object(p.str("subnetwork"))
	if !ok {
		return ClusterSpec{}, notFound(p.str("subnetwork"))
	}
	spec := ClusterSpec{
		Name: o.last(), Project: o.project(), Location: p.str("location"),
		SubnetCIDR: prefix(subnet.Config.str("ipCidrRange")), PodCIDR: prefix(p.str("clusterIpv4Cidr")),
		ServiceCIDR: prefix(p.str("servicesIpv4Cidr")), ControlPlaneCIDR: controlPlane,
		ManagedPrometheus: managedPrometheus(o), Autopilot: autopilot(o), BinaryAuthorization: enforces(o),
		WorkloadIdentity: p.str("workloadIdentityConfig.workloadPool") != "",
	}
	if block := o.Config.str("privateClusterConfig.masterIpv4CidrBlock"); block != "" {
		spec.ControlPlaneCIDR = prefix(block)
	}
	return spec, nil
}
