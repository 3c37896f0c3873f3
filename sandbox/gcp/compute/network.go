package compute

import "example.com/grpc-edge/sandbox/gcp"

// LinkBase begins every self link. The name of the object follows it.
const LinkBase = "https://www.googleapis.com/compute/v1/"

var networkResource = &gcp.Resource{
	Kind: KindNetwork, Noun: "network", Name: "projects/{project}/global/networks/{name}",
	Permissions: permissionsOf("networks", "compute.globalOperations.get", nil),
	Quota:       gcp.Quota{Metric: "NETWORKS", Limit: 5},
	Check:       checkNetwork, Admit: admitNetwork,
}

func permissionsOf(collection, operations string, besides []gcp.Grant) gcp.Verbs {
	v := gcp.CRUD("compute." + collection)
	for _, verb := range []gcp.Verb{gcp.VerbCreate, gcp.VerbUpdate, gcp.VerbDelete} {
		v[verb] = append(append(v[verb], besides...), gcp.Grant{Permission: operations, On: gcp.OnProject})
	}
	return v
}

// policy is also needed to change what belongs to a network.
var policy = []gcp.Grant{{Permission: "compute.networks.updatePolicy", On: func(call gcp.Call) string {
	return gcp.OnProject(call) + "/global/networks/" + gcp.LastSegment(call.Config.Text("network"))
}}}

func checkNetwork(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Name()
	c.OneOf("routingMode", "REGIONAL", "GLOBAL")
	c.OneOf("networkFirewallPolicyEnforcementOrder", "BEFORE_CLASSIC_FIREWALL", "AFTER_CLASSIC_FIREWALL")
	c.OneOf("bgpBestPathSelectionMode", "LEGACY", "STANDARD")
	c.Between("mtu", 1300, 8896) // "Maximum transmission unit", VPC documentation
	return c.Found
}

func admitNetwork(t *gcp.Change) error {
	t.AssignNumber("networkId")
	t.Complete(gcp.Properties{
		"selfLink":  LinkBase + t.New.Name,
		"numericId": t.New.Status.Text("networkId"),
	}, gcp.Properties{
		"autoCreateSubnetworks": true, "routingMode": "REGIONAL", "mtu": 1460, "gatewayIpv4": "",
		"bgpAlwaysCompareMed": false, "bgpBestPathSelectionMode": "LEGACY", "bgpInterRegionCost": "",
		"internalIpv6Range": "", "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
	})
	return nil
}
