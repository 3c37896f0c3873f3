package config

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
)

const podsKey = "grpc-edge:podsCidr"

// documentation lists the ranges that RFC 5737 reserves for examples. A placeholder left in
// a stack file would create a cluster that its owner cannot reach.
var documentation = []netip.Prefix{
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
}

// authorizedNetworks reads the CIDR blocks that may reach the control plane by its address.
// The list is empty if the control plane has only a DNS name.
func (r *reader) authorizedNetworks(key string, dnsEndpoint bool) []string {
	const allowed = "a list of at least one IPv4 CIDR block, such as [A.B.C.D/32]"
	r.known[key] = &Schema{Type: "array", Items: &Schema{Type: "string"}} // which may be empty with dnsEndpoint
	if dnsEndpoint {
		items := r.list(key, 0, anything, allowed)
		if len(items) > 0 {
			value, _ := r.get(key)
			r.refuse(key, value, "empty with grpc-edge:dnsEndpoint, which leaves the control plane no address")
		}
		return nil
	}
	items := r.list(key, 1, anything, allowed)
	for _, item := range items {
		prefix, err := netip.ParsePrefix(item)
		if err != nil || !prefix.Addr().Is4() || prefix != prefix.Masked() {
			value, _ := r.get(key)
			r.refuse(key, value, allowed)
			continue
		}
		for _, example := range documentation {
			if example.Contains(prefix.Addr()) && prefix.Bits() >= example.Bits() {
				r.report(key, "holds %s, which RFC 5737 reserves for documentation; put the addresses from which you run Pulumi", item)
			}
		}
	}
	return items
}

// network reads the four ranges. Their sizes are those that GKE accepts (Google Kubernetes
// Engine, "VPC-native clusters" and "Private clusters").
func (r *reader) network() Network {
	ranges := []struct {
		key         string
		least, most int
	}{
		{"grpc-edge:nodesCidr", 8, 29},
		{podsKey, 9, 23}, // two nodes at least, see checkPods
		{"grpc-edge:servicesCidr", 16, 27},
		{"grpc-edge:controlPlaneCidr", 28, 28},
	}
	values := make([]string, len(ranges))
	prefixes := make([]netip.Prefix, len(ranges))
	for i, want := range ranges {
		values[i], prefixes[i] = r.cidr(want.key, want.least, want.most)
		for j := range i {
			if prefixes[i].Overlaps(prefixes[j]) {
				r.refuse(want.key, values[i], fmt.Sprintf("a range that does not overlap %s %s", ranges[j].key, values[j]))
			}
		}
	}
	return Network{Nodes: values[0], Pods: values[1], Services: values[2], ControlPlane: values[3]}
}

// cidr reads a private range. It returns the zero prefix if the range is wrong.
func (r *reader) cidr(key string, least, most int) (string, netip.Prefix) {
	value, ok := r.text(key)
	prefix, err := netip.ParsePrefix(value)
	wrong := err != nil || prefix != prefix.Masked() || !prefix.Addr().IsPrivate() || !prefix.Addr().Is4() ||
		prefix.Bits() < least || prefix.Bits() > most
	if !ok || !wrong {
		return value, prefix
	}
	size := fmt.Sprintf("/%d to /%d", least, most)
	if least == most {
		size = fmt.Sprintf("/%d", least)
	}
	r.refuse(key, value, "a private IPv4 CIDR block of size "+size+", such as 10.10.0.0/"+strconv.Itoa(most))
	return value, netip.Prefix{}
}

// zonesOfRegion is the number of zones over which GKE spreads a regional cluster by default
// (Google Kubernetes Engine, "Regional clusters").
const zonesOfRegion = 3

// checkPods compares the range of the pods with the number of nodes. GKE gives a node a /24
// for its at most 110 pods ("Configure maximum Pods per node"). An upgrade adds one node.
// The range cannot grow later without a new cluster's subnet. The number of nodes of an
// Autopilot cluster is unknown, so it is not checked.
func (r *reader) checkPods(c *Config) {
	if c.Cluster.Autopilot {
		return
	}
	for _, key := range []string{podsKey, "grpc-edge:nodeCount", "grpc-edge:nodeCountMax", "grpc-edge:clusterLocation"} {
		if r.problems[key] != "" {
			return
		}
	}
	prefix, err := netip.ParsePrefix(c.Network.Pods)
	if err != nil {
		return // missing, which is reported
	}
	zones := 1
	if c.Cluster.Location == c.Region {
		zones = zonesOfRegion
	}
	if len(c.Cluster.Zones) > 0 {
		zones = len(c.Cluster.Zones)
	}
	nodes := max(c.Cluster.NodeCount, c.Cluster.NodeCountMax)*zones + 1
	if most := 24 - bits.Len(uint(nodes-1)); prefix.Bits() > most {
		r.refuse(podsKey, c.Network.Pods, fmt.Sprintf("a /%d or larger: %d nodes, and 1 more during an upgrade, take a /24 each", most, nodes-1))
	}
}
