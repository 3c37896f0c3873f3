package gcp

const computeBase = "https://www.googleapis.com/compute/v1/"

var networkRule = &rule{
	kind: KindNetwork, name: "projects/{project}/global/networks/{name}",
	permissions: permissionsOf("networks", "compute.globalOperations.get", nil),
	noun:        "network", quota: quota{metric: "NETWORKS", limit: 5},
	check: checkNetwork, admit: admitNetwork,
}

func permissionsOf(collection, operations string, besides []grant) verbs {
	v := crud("compute." + collection)
	for _, verb := range []Verb{VerbCreate, VerbUpdate, VerbDelete} {
		v[verb] = append(append(v[verb], besides...), grant{permission: operations, on: onProject})
	}
	return v
}

// policy is also needed to change what belongs to a network.
var policy = []grant{{permission: "compute.networks.updatePolicy", on: func(call Call) string {
	return onProject(call) + "/global/networks/" + lastSegment(call.Config.str("network"))
}}}

func checkNetwork(p Properties) []Violation {
	c := &checker{p: p}
	c.name()
	c.oneOf("routingMode", "REGIONAL", "GLOBAL")
	c.oneOf("networkFirewallPolicyEnforcementOrder", "BEFORE_CLASSIC_FIREWALL", "AFTER_CLASSIC_FIREWALL")
	c.oneOf("bgpBestPathSelectionMode", "LEGACY", "STANDARD")
	c.between("mtu", 1300, 8896) // "Maximum transmission unit", VPC documentation
	return c.found
}

func admitNetwork(t *change) error {
	t.assignNumber("networkId")
	t.complete(Properties{
		"selfLink":  computeBase + t.new.Name,
		"numericId": t.new.Status.str("networkId"),
	}, Properties{
		"autoCreateSubnetworks": true, "routingMode": "REGIONAL", "mtu": 1460, "gatewayIpv4": "",
		"bgpAlwaysCompareMed": false, "bgpBestPathSelectionMode": "LEGACY", "bgpInterRegionCost": "",
		"internalIpv6Range": "", "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
	})
	return nil
}
