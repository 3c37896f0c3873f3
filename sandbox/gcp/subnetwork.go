package gcp

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
)

var subnetworkRule = &rule{
	kind: KindSubnetwork, name: "projects/{project}/regions/{region}/subnetworks/{name}",
	permissions: verbs{ // a grown range is a call of its own (compute/resource_compute_subnetwork.go: expandIpCidrRange)
		VerbCreate: append(on(onProject, "compute.subnetworks.create", "compute.regionOperations.get"), policy...),
		VerbGet:    on(onObject, "compute.subnetworks.get"),
		VerbUpdate: slices.Concat(on(onObject, "compute.subnetworks.update", "compute.subnetworks.expandIpCidrRange"), policy, on(onProject, "compute.regionOperations.get")),
		VerbDelete: slices.Concat(on(onObject, "compute.subnetworks.delete"), policy, on(onProject, "compute.regionOperations.get")),
	},
	noun: "subnetwork", quota: quota{metric: "SUBNETWORKS", limit: 100},
	check: checkSubnetwork, admit: admitSubnetwork,
}

func checkSubnetwork(p Properties) []Violation {
	c := &checker{p: p}
	c.name()
	c.oneOf("stackType", "IPV4_ONLY", "IPV4_IPV6", "IPV6_ONLY")
	c.oneOf("role", "ACTIVE", "BACKUP")
	c.oneOf("logConfig.aggregationInterval", "INTERVAL_5_SEC", "INTERVAL_30_SEC", "INTERVAL_1_MIN", "INTERVAL_5_MIN",
		"INTERVAL_10_MIN", "INTERVAL_15_MIN")
	c.oneOf("logConfig.metadata", "EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA", "CUSTOM_METADATA")
	seen := map[string]bool{}
	for _, r := range subnetRanges(p) {
		if why := rangeProblem(r.cidr); r.cidr != "" && why != "" {
			c.wrong(r.property, "Invalid IPCidrRange %q: %s", r.cidr, why)
		}
		if r.name != "" && !resourceName.MatchString(r.name) {
			c.wrong(r.property, "range name %q must match %s", r.name, resourceName)
		}
		if r.name != "" && seen[r.name] {
			c.wrong(r.property, "range name %q is used twice", r.name)
		}
		seen[r.name] = true
	}
	return c.found
}

// subnetRange is a subnet's primary range, which has no name, or a secondary one.
type subnetRange struct{ property, name, cidr string }

func subnetRanges(p Properties) []subnetRange {
	ranges := []subnetRange{{"ipCidrRange", "", p.str("ipCidrRange")}}
	for i, s := range p.objects("secondaryIpRanges") {
		ranges = append(ranges, subnetRange{
			fmt.Sprintf("secondaryIpRanges[%d].ipCidrRange", i), s.str("rangeName"), s.str("ipCidrRange"),
		})
	}
	return ranges
}

// ranges returns the ranges of a subnet.
func ranges(subnet *Object) []netip.Prefix {
	var all []netip.Prefix
	for _, r := range subnetRanges(subnet.Config) {
		all = append(all, prefix(r.cidr))
	}
	return all
}

func admitSubnetwork(t *change) error {
	network, err := t.lookUp(KindNetwork, t.new.Config.str("network"))
	if err != nil {
		return err
	}
	if err := t.checkRanges(network); err != nil {
		return err
	}
	if err := t.keepsUsedRanges(); err != nil {
		return err
	}
	t.new.Uses = []string{network.Name}
	primary := prefix(t.new.Config.str("ipCidrRange"))
	if !t.new.Status.has("subnetworkId") {
		// Shorter than Google's: JSON numbers are exact up to 2^53 (RFC 8259, section 6).
		t.new.Status["subnetworkId"] = json.Number(digits(15))
	}
	t.stamp("creationTimestamp")
	t.complete(Properties{
		"network": computeBase + network.Name, "selfLink": computeBase + t.new.Name,
		// The second address of the primary range ("Unusable addresses in IPv4
		// subnet ranges", VPC documentation).
		"gatewayAddress": nth(primary, 1).String(), "fingerprint": fingerprint(),
	}, Properties{
		"privateIpGoogleAccess": false, "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS", "purpose": "PRIVATE",
		"stackType": "IPV4_ONLY", "secondaryIpRanges": []any{}, "internalIpv6Prefix": "", "externalIpv6Prefix": "",
		"ipv6CidrRange": "", "ipv6GceEndpoint": "", "state": "READY", "allowSubnetCidrRoutesOverlap": false,
	})
	return nil
}

// checkRanges checks that each range of the subnet is free in its network: primary and secondary
// ranges of all subnets must differ ("Subnets", VPC documentation).
func (t *change) checkRanges(network *Object) error {
	if t.new.Config.str("ipCidrRange") == "" {
		return badRequest("Required field 'resource.ipCidrRange' not specified")
	}
	type owned struct {
		netip.Prefix
		owner *Object
	}
	var taken []owned
	for _, other := range t.all(KindSubnetwork, "projects/"+t.new.project()+"/") {
		if other.Name == t.new.Name || !slices.Contains(other.Uses, network.Name) {
			continue
		}
		for _, r := range subnetRanges(other.Properties()) {
			taken = append(taken, owned{prefix(r.cidr), other})
		}
	}
	for _, r := range subnetRanges(t.new.Config) {
		mine := prefix(r.cidr)
		if network.Properties().boolean("autoCreateSubnetworks") && mine.Overlaps(autoMode) {
			return invalid(r.property, r.cidr, "Extended subnetworks in auto subnet mode networks cannot overlap with %s.", autoMode)
		}
		for _, other := range taken {
			if mine.Overlaps(other.Prefix) {
				return invalid(r.property, r.cidr, "Invalid IPCidrRange: %s conflicts with existing subnetwork '%s' in region '%s'.",
					r.cidr, other.owner.last(), segment(other.owner.Name, "regions"))
			}
		}
		taken = append(taken, owned{mine, t.new})
	}
	return nil
}

// keepsUsedRanges refuses to remove a secondary range that is used, as by a cluster: what uses one
// names it after the subnet ("Create and modify VPC networks", VPC documentation).
func (t *change) keepsUsedRanges() error {
	if t.old == nil {
		return nil
	}
	for _, r := range subnetRanges(t.old.Config) {
		if _, still := secondaryRange(t.new, r.name); r.name == "" || still {
			continue
		}
		if users := t.users(t.old.Name + "/" + r.name); len(users) > 0 {
			return inUse("subnetwork secondary range", t.old.Name+"/"+r.name, users[0])
		}
	}
	return nil
}

// secondaryRange returns the range of a name of a subnet.
func secondaryRange(subnet *Object, name string) (netip.Prefix, bool) {
	for _, r := range subnetRanges(subnet.Config) {
		if r.name == name && name != "" {
			return prefix(r.cidr), true
		}
	}
	return netip.Prefix{}, false
}
