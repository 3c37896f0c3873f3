package gcp

import "regexp"

var routerRule = &rule{
	kind: KindRouter, name: "projects/{project}/regions/{region}/routers/{name}",
	permissions: permissionsOf("routers", "compute.regionOperations.get", policy),
	noun:        "router", quota: quota{metric: "ROUTERS", limit: 10},
	check: checkRouter, admit: admitRouter,
}

func checkRouter(p Properties) []Violation {
	c := &checker{p: p}
	c.name()
	c.oneOf("bgp.advertiseMode", "DEFAULT", "CUSTOM")
	if asn := p.number("bgp.asn"); asn != 0 && asn != 16550 && (asn < 64512 || asn > 65534) &&
		(asn < 4_200_000_000 || asn > 4_294_967_294) {
		c.wrong("bgp.asn", "%d must be a private ASN (RFC 6996) or 16550", asn)
	}
	return c.found
}

func admitRouter(t *change) error {
	network, err := t.lookUp(KindNetwork, t.new.Config.str("network"))
	if err != nil {
		return err
	}
	t.new.Uses = []string{network.Name}
	t.stamp("creationTimestamp")
	t.complete(Properties{"network": computeBase + network.Name, "selfLink": computeBase + t.new.Name}, nil)
	return nil
}

var natRule = &rule{
	kind: KindRouterNAT, name: "projects/{project}/regions/{region}/routers/{router}/nats/{name}",
	permissions: verbs{
		VerbCreate: on(onProject, "compute.routers.update", "compute.regionOperations.get"),
		VerbGet:    on(onObject, "compute.routers.get"),
		VerbUpdate: on(onObject, "compute.routers.update", "compute.regionOperations.get"),
		VerbDelete: on(onObject, "compute.routers.get", "compute.routers.update", "compute.regionOperations.get"),
	},
	noun: "router NAT", quota: quota{metric: "NATS", limit: 50, within: "routers"}, // "Quotas and limits", Cloud NAT
	check: checkNAT, admit: admitNAT,
}

var natName = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])$`)

func checkNAT(p Properties) []Violation {
	c := &checker{p: p}
	c.match("name", natName, "be 2-63 characters: a lowercase letter, then lowercase letters, digits and hyphens")
	c.oneOf("sourceSubnetworkIpRangesToNat", "ALL_SUBNETWORKS_ALL_IP_RANGES",
		"ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES", "LIST_OF_SUBNETWORKS")
	c.oneOf("natIpAllocateOption", "MANUAL_ONLY", "AUTO_ONLY")
	c.oneOf("autoNetworkTier", "PREMIUM", "STANDARD")
	c.oneOf("type", "PUBLIC", "PRIVATE")
	c.oneOf("logConfig.filter", "ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL")
	if n := p.number("minPortsPerVm"); p.boolean("enableDynamicPortAllocation") && n&(n-1) != 0 {
		c.wrong("minPortsPerVm", "%d must be a power of 2 with dynamic port allocation", n)
	}
	return c.found
}

// admitNAT checks a gateway against its router, its subnets and its addresses
// ("Set up and manage network address translation with Public NAT", Cloud NAT).
func admitNAT(t *change) error {
	p := t.new.Config
	router, err := t.lookUp(KindRouter, p.str("router"))
	if err != nil {
		return err
	}
	all := p.str("sourceSubnetworkIpRangesToNat") != "LIST_OF_SUBNETWORKS"
	if all == p.has("subnetworks") {
		return invalid("sourceSubnetworkIpRangesToNat", p.str("sourceSubnetworkIpRangesToNat"),
			"Subnetworks are given if and only if it is LIST_OF_SUBNETWORKS.")
	}
	if manual := p.str("natIpAllocateOption") == "MANUAL_ONLY"; manual != p.has("natIps") {
		return invalid("natIpAllocateOption", p.str("natIpAllocateOption"), "NAT IPs are given if and only if it is MANUAL_ONLY.")
	}
	for _, other := range t.all(KindRouterNAT, router.Name+"/") {
		if theirs := other.Config.str("sourceSubnetworkIpRangesToNat"); other.Name != t.new.Name && all && theirs != "LIST_OF_SUBNETWORKS" {
			return invalid("nats", t.new.last(), "NAT '%s' covers all subnetworks of the region already.", other.last())
		}
	}
	if err := t.natUses(p); err != nil {
		return err
	}
	t.complete(nil, Properties{
		"enableDynamicPortAllocation": false, "enableEndpointIndependentMapping": false, "endpointTypes": []any{"ENDPOINT_TYPE_VM"},
		"icmpIdleTimeoutSec": 30, "minPortsPerVm": 64, "tcpEstablishedIdleTimeoutSec": 1200, "tcpTimeWaitTimeoutSec": 120,
		"tcpTransitoryIdleTimeoutSec": 30, "udpIdleTimeoutSec": 30, "type": "PUBLIC", "autoNetworkTier": "PREMIUM",
	})
	return nil
}

func (t *change) natUses(p Properties) error {
	for _, s := range p.objects("subnetworks") {
		subnet, err := t.lookUp(KindSubnetwork, s.str("name"))
		if err != nil {
			return err
		}
		t.new.Uses = append(t.new.Uses, subnet.Name)
	}
	for _, ip := range p.strings("natIps") {
		address, err := t.lookUp(KindAddress, ip)
		if err != nil {
			return err
		}
		t.new.Uses = append(t.new.Uses, address.Name)
	}
	return nil
}
