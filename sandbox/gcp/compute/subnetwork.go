package compute

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"example.com/grpc-edge/sandbox/gcp"
)

var subnetworkResource = &gcp.Resource{
	Kind: KindSubnetwork, Noun: "subnetwork", Name: "projects/{project}/regions/{region}/subnetworks/{name}",
	Permissions: gcp.Verbs{ // growing a range is a separate call (compute/resource_compute_subnetwork.go: expandIpCidrRange)
		gcp.VerbCreate: append(gcp.On(gcp.OnProject, "compute.subnetworks.create", "compute.regionOperations.get"), policy...),
		gcp.VerbGet:    gcp.On(gcp.OnObject, "compute.subnetworks.get"),
		gcp.VerbUpdate: slices.Concat(gcp.On(gcp.OnObject, "compute.subnetworks.update", "compute.subnetworks.expandIpCidrRange"), policy, gcp.On(gcp.OnProject, "compute.regionOperations.get")),
		gcp.VerbDelete: slices.Concat(gcp.On(gcp.OnObject, "compute.subnetworks.delete"), policy, gcp.On(gcp.OnProject, "compute.regionOperations.get")),
	},
	Quota: gcp.Quota{Metric: "SUBNETWORKS", Limit: 100},
	Check: checkSubnetwork, Admit: admitSubnetwork,
}

func checkSubnetwork(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Name()
	c.OneOf("stackType", "IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY")
	c.OneOf("ipv6AccessType", "EXTERNAL", "INTERNAL")
	c.OneOf("role", "ACTIVE", "BACKUP")
	c.OneOf("logConfig.aggregationInterval", "INTERVAL_5_SEC", "INTERVAL_30_SEC", "INTERVAL_1_MIN", "INTERVAL_5_MIN",
		"INTERVAL_10_MIN", "INTERVAL_15_MIN")
	c.OneOf("logConfig.metadata", "EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA", "CUSTOM_METADATA")
	seen := map[string]bool{}
	for _, r := range subnetRanges(p) {
		if why := RangeProblem(r.cidr); r.cidr != "" && why != "" {
			c.Wrong(r.property, "Invalid IPCidrRange %q: %s", r.cidr, why)
		}
		if r.name != "" && !gcp.ResourceName.MatchString(r.name) {
			c.Wrong(r.property, "range name %q must match %s", r.name, gcp.ResourceName)
		}
		if r.name != "" && seen[r.name] {
			c.Wrong(r.property, "range name %q is used twice", r.name)
		}
		seen[r.name] = true
	}
	return c.Found
}

// subnetRange is a subnet's primary range, which has no name, or a secondary one.
type subnetRange struct{ property, name, cidr string }

func subnetRanges(p gcp.Properties) []subnetRange {
	ranges := []subnetRange{{"ipCidrRange", "", p.Text("ipCidrRange")}}
	for i, s := range p.Objects("secondaryIpRanges") {
		ranges = append(ranges, subnetRange{
			fmt.Sprintf("secondaryIpRanges[%d].ipCidrRange", i), s.Text("rangeName"), s.Text("ipCidrRange"),
		})
	}
	return ranges
}

// Ranges returns the ranges of a subnet.
func Ranges(subnet *gcp.Object) []netip.Prefix {
	var all []netip.Prefix
	for _, r := range subnetRanges(subnet.Config) {
		all = append(all, ParseRange(r.cidr))
	}
	return all
}

func admitSubnetwork(t *gcp.Change) error {
	network, err := t.LookUp(KindNetwork, t.New.Config.Text("network"))
	if err != nil {
		return err
	}
	if err := checkRanges(t, network); err != nil {
		return err
	}
	if err := keepsUsedRanges(t); err != nil {
		return err
	}
	if err := admitIPv6(t); err != nil {
		return err
	}
	t.New.Uses = []string{network.Name}
	primary := ParseRange(t.New.Config.Text("ipCidrRange"))
	if !t.New.Status.Has("subnetworkId") {
		// Shorter than Google's: JSON numbers are exact up to 2^53 (RFC 8259, section 6).
		t.New.Status["subnetworkId"] = json.Number(gcp.RandomDigits(15))
	}
	t.Stamp("creationTimestamp")
	t.Complete(gcp.Properties{
		"network": LinkBase + network.Name, "selfLink": LinkBase + t.New.Name,
		// The second address of the primary range ("Unusable addresses in IPv4
		// subnet ranges", VPC documentation).
		"gatewayAddress": Nth(primary, 1).String(), "fingerprint": gcp.Fingerprint(),
	}, gcp.Properties{
		"privateIpGoogleAccess": false, "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS", "purpose": "PRIVATE",
		"stackType": "IPV4_ONLY", "secondaryIpRanges": []any{}, "internalIpv6Prefix": "", "externalIpv6Prefix": "",
		"ipv6CidrRange": "", "ipv6GceEndpoint": "", "state": "READY", "allowSubnetCidrRoutesOverlap": false,
	})
	return nil
}

// admitIPv6 gives a subnet a range of external IPv6 addresses, when it first becomes dual-stack.
// The access type is immutable ("Subnetwork", Compute Engine API). A subnet that goes back to
// IPv4 only keeps the range ("Change a dual-stack subnet to IPv4 only", VPC documentation).
func admitIPv6(t *gcp.Change) error {
	access, dual := t.New.Config.Text("ipv6AccessType"), t.New.Config.Text("stackType") == "IPV4_IPV6"
	if t.Old != nil {
		if had := t.Old.Properties().Text("ipv6AccessType"); had != "" && access != "" && access != had {
			return gcp.Invalid("ipv6AccessType", access, "The access type of a subnetwork cannot be changed.")
		}
	}
	switch {
	case !dual:
		return nil
	case access == "":
		return gcp.BadRequest("Required field 'resource.ipv6AccessType' not specified")
	case access == "INTERNAL":
		return gcp.Invalid("ipv6AccessType", access, "Internal IPv6 ranges are not emulated: use EXTERNAL.")
	case t.New.Status.Text("externalIpv6Prefix") != "":
		return nil
	}
	var taken []netip.Prefix
	for _, other := range t.All(KindSubnetwork, "") {
		taken = append(taken, ParseRange(other.Status.Text("externalIpv6Prefix")))
	}
	free, _ := FreeRange(externalIPv6, 64, taken) // there are four billion
	// A range of Google's own serves VMs and forwarding rules ("ipv6GceEndpoint", Compute Engine API).
	t.New.Status.Merge(gcp.Properties{"externalIpv6Prefix": free.String(), "ipv6GceEndpoint": "VM_AND_FR"})
	return nil
}

// checkRanges checks that each range of the subnet is free in its network: primary and secondary
// ranges of all subnets must differ ("Subnets", VPC documentation).
func checkRanges(t *gcp.Change, network *gcp.Object) error {
	if t.New.Config.Text("ipCidrRange") == "" {
		return gcp.BadRequest("Required field 'resource.ipCidrRange' not specified")
	}
	type owned struct {
		netip.Prefix
		owner *gcp.Object
	}
	var taken []owned
	for _, other := range t.All(KindSubnetwork, "projects/"+t.New.Project()+"/") {
		if other.Name == t.New.Name || !slices.Contains(other.Uses, network.Name) {
			continue
		}
		for _, r := range subnetRanges(other.Properties()) {
			taken = append(taken, owned{ParseRange(r.cidr), other})
		}
	}
	for _, r := range subnetRanges(t.New.Config) {
		mine := ParseRange(r.cidr)
		if network.Properties().Bool("autoCreateSubnetworks") && mine.Overlaps(autoMode) {
			return gcp.Invalid(r.property, r.cidr, "Extended subnetworks in auto subnet mode networks cannot overlap with %s.", autoMode)
		}
		for _, other := range taken {
			if mine.Overlaps(other.Prefix) {
				return gcp.Invalid(r.property, r.cidr, "Invalid IPCidrRange: %s conflicts with existing subnetwork '%s' in region '%s'.",
					r.cidr, other.owner.ID(), gcp.Segment(other.owner.Name, "regions"))
			}
		}
		taken = append(taken, owned{mine, t.New})
	}
	return nil
}

// keepsUsedRanges refuses to remove a secondary range that is used, for example by a cluster.
// Whatever uses one names it after the subnet ("Create and modify VPC networks", VPC documentation).
func keepsUsedRanges(t *gcp.Change) error {
	if t.Old == nil {
		return nil
	}
	for _, r := range subnetRanges(t.Old.Config) {
		if _, still := SecondaryRange(t.New, r.name); r.name == "" || still {
			continue
		}
		if users := t.Users(t.Old.Name + "/" + r.name); len(users) > 0 {
			return gcp.InUse("subnetwork secondary range", t.Old.Name+"/"+r.name, users[0])
		}
	}
	return nil
}

// SecondaryRange returns a subnet's secondary range with this name.
func SecondaryRange(subnet *gcp.Object, name string) (netip.Prefix, bool) {
	for _, r := range subnetRanges(subnet.Config) {
		if r.name == name && name != "" {
			return ParseRange(r.cidr), true
		}
	}
	return netip.Prefix{}, false
}
