package gcp

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var firewallRule = &rule{
	kind: KindFirewall, name: "projects/{project}/global/firewalls/{name}",
	permissions: permissionsOf("firewalls", "compute.globalOperations.get", policy),
	noun:        "firewall", quota: quota{metric: "FIREWALLS", limit: 100},
	check: checkFirewall, admit: admitFirewall,
}

// protocols that a rule may name; ports go with the first three ("Protocols
// and ports" in "VPC firewall rules", VPC documentation).
var protocols = []string{"tcp", "udp", "sctp", "icmp", "esp", "ah", "ipip", "all"}

func checkFirewall(p Properties) []Violation {
	c := &checker{p: p}
	c.name()
	c.oneOf("direction", "INGRESS", "EGRESS")
	c.between("priority", 0, 65535)
	c.oneOf("logConfig.metadata", "EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA")
	if len(p.objects("allows")) > 0 && len(p.objects("denies")) > 0 {
		c.wrong("denies", "a rule has either allows or denies, not both")
	}
	for _, list := range []string{"allows", "denies"} {
		for i, entry := range p.objects(list) {
			c.protocol(fmt.Sprintf("%s[%d]", list, i), entry)
		}
	}
	for _, list := range []string{"sourceRanges", "destinationRanges"} {
		for i, s := range p.strings(list) {
			if r, err := netip.ParsePrefix(s); s != "" && (err != nil || r != r.Masked()) {
				c.wrong(fmt.Sprintf("%s[%d]", list, i), "%q is not a range in CIDR notation, such as 10.0.0.0/8", s)
			}
		}
	}
	for _, list := range []string{"sourceTags", "targetTags"} {
		for i, s := range p.strings(list) {
			if s != "" && !resourceName.MatchString(s) {
				c.wrong(fmt.Sprintf("%s[%d]", list, i), "network tag %q must match %s", s, resourceName)
			}
		}
	}
	tags := p.has("sourceTags") || p.has("targetTags")
	if accounts := p.has("sourceServiceAccounts") || p.has("targetServiceAccounts"); tags && accounts {
		c.wrong("targetServiceAccounts", "network tags and service accounts cannot be used in one rule")
	}
	return c.found
}

// ports matches one port or a range.
var ports = regexp.MustCompile(`^(\d{1,5})(?:-(\d{1,5}))?$`)

func (c *checker) protocol(property string, entry Properties) {
	protocol := strings.ToLower(entry.str("protocol"))
	number, err := strconv.Atoi(protocol)
	if protocol != "" && !slices.Contains(protocols, protocol) && (err != nil || number < 0 || number > 255) {
		c.wrong(property+".protocol", "%q is neither a number from 0 to 255 nor one of %s", protocol, strings.Join(protocols, ", "))
	}
	for _, s := range entry.strings("ports") {
		m := ports.FindStringSubmatch(s)
		if s != "" && (m == nil || atoi(m[1]) > 65535 || m[2] != "" && (atoi(m[2]) > 65535 || atoi(m[2]) < atoi(m[1]))) {
			c.wrong(property+".ports", "%q is neither a port nor a range such as 8000-8080", s)
		}
		if protocol != "" && !slices.Contains([]string{"tcp", "udp", "sctp", "6", "17", "132"}, protocol) {
			c.wrong(property+".ports", "ports may only be specified for tcp, udp and sctp, not %s", protocol)
			return
		}
	}
}

// admitFirewall completes a firewall rule ("VPC firewall rules", VPC documentation).
func admitFirewall(t *change) error {
	p := t.new.Config
	network, err := t.lookUp(KindNetwork, p.str("network"))
	if err != nil {
		return err
	}
	direction := cmp.Or(p.str("direction"), "INGRESS")
	switch {
	case !p.has("allows") && !p.has("denies"):
		return badRequest("Required field 'resource.allowed' or 'resource.denied' not specified")
	case direction == "INGRESS" && p.has("destinationRanges") && (p.has("sourceServiceAccounts") || p.has("sourceTags")):
		return invalid("destinationRanges", p.strings("destinationRanges"), "Cannot be combined with source tags or accounts.")
	case direction == "EGRESS" && (p.has("sourceRanges") || p.has("sourceTags") || p.has("sourceServiceAccounts")):
		return invalid("direction", direction, "Egress rules have destinations, not sources.")
	case direction == "INGRESS" && !p.has("sourceRanges") && !p.has("sourceTags") && !p.has("sourceServiceAccounts"):
		return badRequest("one of source_tags, source_ranges, or source_service_accounts must be defined for an INGRESS firewall rule")
	}
	t.new.Uses = []string{network.Name}
	t.stamp("creationTimestamp")
	t.complete(Properties{
		"network": computeBase + network.Name, "selfLink": computeBase + t.new.Name,
		"direction": direction, "enableLogging": p.has("logConfig"),
	}, Properties{"priority": 1000, "disabled": false, "destinationRanges": []any{}})
	return nil
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 1 << 30 // more than any port
	}
	return n
}
