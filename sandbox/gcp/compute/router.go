package compute

import (
	"regexp"

	"example.com/grpc-edge/sandbox/gcp"
)

var routerResource = &gcp.Resource{
	Kind: KindRouter, Noun: "router", Name: "projects/{project}/regions/{region}/routers/{name}",
	Permissions: permissionsOf("routers", "compute.regionOperations.get", policy),
	Quota:       gcp.Quota{Metric: "ROUTERS", Limit: 10},
	Check:       checkRouter, Admit: admitRouter,
}

func checkRouter(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Name()
	c.NotEmulated("bgp")
	return c.Found
}

func admitRouter(t *gcp.Change) error {
	network, err := t.LookUp(KindNetwork, t.New.Config.Text("network"))
	if err != nil {
		return err
	}
	t.New.Uses = []string{network.Name}
	t.Stamp("creationTimestamp")
	t.Complete(gcp.Properties{"network": LinkBase + network.Name, "selfLink": LinkBase + t.New.Name}, nil)
	return nil
}

var natResource = &gcp.Resource{
	Kind: KindRouterNAT, Noun: "router NAT", Name: "projects/{project}/regions/{region}/routers/{router}/nats/{name}",
	Permissions: gcp.Verbs{
		gcp.VerbCreate: gcp.On(gcp.OnProject, "compute.routers.update", "compute.regionOperations.get"),
		gcp.VerbGet:    gcp.On(gcp.OnObject, "compute.routers.get"),
		gcp.VerbUpdate: gcp.On(gcp.OnObject, "compute.routers.update", "compute.regionOperations.get"),
		gcp.VerbDelete: gcp.On(gcp.OnObject, "compute.routers.get", "compute.routers.update", "compute.regionOperations.get"),
	},
	Quota: gcp.Quota{Metric: "NATS", Limit: 50, Within: "routers"}, // "Quotas and limits", Cloud NAT
	Check: checkNAT, Admit: admitNAT,
}

var natName = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])$`)

func checkNAT(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("name", natName, "be 2-63 characters: a lowercase letter, then lowercase letters, digits and hyphens")
	c.OnlyEmulated("sourceSubnetworkIpRangesToNat", "LIST_OF_SUBNETWORKS")
	c.OnlyEmulated("natIpAllocateOption", "AUTO_ONLY")
	c.OnlyEmulated("type", "PUBLIC")
	c.NotEmulated("natIps", "drainNatIps", "autoNetworkTier", "rules")
	c.OneOf("logConfig.filter", "ERRORS_ONLY", "TRANSLATIONS_ONLY", "ALL")
	if n := p.Int("minPortsPerVm"); p.Bool("enableDynamicPortAllocation") && n&(n-1) != 0 {
		c.Wrong("minPortsPerVm", "%d must be a power of 2 with dynamic port allocation", n)
	}
	return c.Found
}

// admitNAT checks a gateway against its router and its subnets ("Set up and manage network address translation with Public NAT", Cloud NAT).
func admitNAT(t *gcp.Change) error {
	p := t.New.Config
	if _, err := t.LookUp(KindRouter, p.Text("router")); err != nil {
		return err
	}
	if !p.Has("subnetworks") {
		return gcp.Invalid("sourceSubnetworkIpRangesToNat", p.Text("sourceSubnetworkIpRangesToNat"), "LIST_OF_SUBNETWORKS needs subnetworks.")
	}
	for _, s := range p.Objects("subnetworks") {
		subnet, err := t.LookUp(KindSubnetwork, s.Text("name"))
		if err != nil {
			return err
		}
		t.New.Uses = append(t.New.Uses, subnet.Name)
	}
	t.Complete(nil, gcp.Properties{
		"enableDynamicPortAllocation": false, "enableEndpointIndependentMapping": false, "endpointTypes": []any{"ENDPOINT_TYPE_VM"},
		"icmpIdleTimeoutSec": 30, "minPortsPerVm": 64, "tcpEstablishedIdleTimeoutSec": 1200, "tcpTimeWaitTimeoutSec": 120,
		"tcpTransitoryIdleTimeoutSec": 30, "udpIdleTimeoutSec": 30, "type": "PUBLIC", "autoNetworkTier": "PREMIUM",
	})
	return nil
}
