package compute

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

var firewallRule = &gcp.Rule{
	Kind: KindFirewall, Noun: "firewall", Name: "projects/{project}/global/firewalls/{name}",
	Permissions: permissionsOf("firewalls", "compute.globalOperations.get", policy),
	Quota:       gcp.Quota{Metric: "FIREWALLS", Limit: 100},
	Check:       checkFirewall, Admit: admitFirewall,
}

// protocols that a rule may name; ports go with the first three ("Protocols
// and ports" in "VPC firewall rules", VPC documentation).
var protocols = []string{"tcp", "udp", "sctp", "icmp", "esp", "ah", "ipip", "all"}

func checkFirewall(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Name()
	c.OneOf("direction", "INGRESS", "EGRESS")
	c.Between("priority", 0, 65535)
	c.OneOf("logConfig.metadata", "EXCLUDE_ALL_METADATA", "INCLUDE_ALL_METADATA")
	if len(p.Objects("allows")) > 0 && len(p.Objects("denies")) > 0 {
		c.Wrong("denies", "a rule has either allows or denies, not both")
	}
	for _, list := range []string{"allows", "denies"} {
		for i, entry := range p.Objects(list) {
			checkProtocol(c, fmt.Sprintf("%s[%d]", list, i), entry)
		}
	}
	for _, list := range []string{"sourceRanges", "destinationRanges"} {
		for i, s := range p.Texts(list) {
			if r, err := netip.ParsePrefix(s); s != "" && (err != nil || r != r.Masked()) {
				c.Wrong(fmt.Sprintf("%s[%d]", list, i), "%q is not a range in CIDR notation, such as 10.0.0.0/8", s)
			}
		}
	}
	for _, list := range []string{"sourceTags", "targetTags"} {
		for i, s := range p.Texts(list) {
			if s != "" && !gcp.ResourceName.MatchString(s) {
				c.Wrong(fmt.Sprintf("%s[%d]", list, i), "network tag %q must match %s", s, gcp.ResourceName)
			}
		}
	}
	tags := p.Has("sourceTags") || p.Has("targetTags")
	if accounts := p.Has("sourceServiceAccounts") || p.Has("targetServiceAccounts"); tags && accounts {
		c.Wrong("targetServiceAccounts", "network tags and service accounts cannot be used in one rule")
	}
	return c.Found
}

// ports matches one port or a range.
var ports = regexp.MustCompile(`^(\d{1,5})(?:-(\d{1,5}))?$`)

func checkProtocol(c *gcp.Checker, property string, entry gcp.Properties) {
	protocol := strings.ToLower(entry.Text("protocol"))
	number, err := strconv.Atoi(protocol)
	if protocol != "" && !slices.Contains(protocols, protocol) && (err != nil || number < 0 || number > 255) {
		c.Wrong(property+".protocol", "%q is neither a number from 0 to 255 nor one of %s", protocol, strings.Join(protocols, ", "))
	}
	for _, s := range entry.Texts("ports") {
		m := ports.FindStringSubmatch(s)
		if s != "" && (m == nil || atoi(m[1]) > 65535 || m[2] != "" && (atoi(m[2]) > 65535 || atoi(m[2]) < atoi(m[1]))) {
			c.Wrong(property+".ports", "%q is neither a port nor a range such as 8000-8080", s)
		}
		if protocol != "" && !slices.Contains([]string{"tcp", "udp", "sctp", "6", "17", "132"}, protocol) {
			c.Wrong(property+".ports", "ports may only be specified for tcp, udp and sctp, not %s", protocol)
			return
		}
	}
}

// admitFirewall completes a firewall rule ("VPC firewall rules", VPC documentation).
func admitFirewall(t *gcp.Change) error {
	p := t.New.Config
	network, err := t.LookUp(KindNetwork, p.Text("network"))
	if err != nil {
		return err
	}
	direction := cmp.Or(p.Text("direction"), "INGRESS")
	switch {
	case !p.Has("allows") && !p.Has("denies"):
		return gcp.BadRequest("Required field 'resource.allowed' or 'resource.denied' not specified")
	case direction == "INGRESS" && p.Has("destinationRanges") && (p.Has("sourceServiceAccounts") || p.Has("sourceTags")):
		return gcp.Invalid("destinationRanges", p.Texts("destinationRanges"), "Cannot be combined with source tags or accounts.")
	case direction == "EGRESS" && (p.Has("sourceRanges") || p.Has("sourceTags") || p.Has("sourceServiceAccounts")):
		return gcp.Invalid("direction", direction, "Egress rules have destinations, not sources.")
	case direction == "INGRESS" && !p.Has("sourceRanges") && !p.Has("sourceTags") && !p.Has("sourceServiceAccounts"):
		return gcp.BadRequest("one of source_tags, source_ranges, or source_service_accounts must be defined for an INGRESS firewall rule")
	}
	t.New.Uses = []string{network.Name}
	t.Stamp("creationTimestamp")
	t.Complete(gcp.Properties{
		"network": LinkBase + network.Name, "selfLink": LinkBase + t.New.Name,
		"direction": direction, "enableLogging": p.Has("logConfig"),
	}, gcp.Properties{"priority": 1000, "disabled": false, "destinationRanges": []any{}})
	return nil
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 1 << 30 // more than any port
	}
	return n
}
