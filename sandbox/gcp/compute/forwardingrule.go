package compute

import (
	"fmt"
	"slices"

	"example.com/grpc-edge/sandbox/gcp"
)

var forwardingRuleResource = &gcp.Resource{
	Kind: KindForwardingRule, Noun: "forwarding rule", Name: "projects/{project}/regions/{region}/forwardingRules/{name}",
	Permissions: permissionsOf("forwardingRules", "compute.regionOperations.get", nil),
	Quota:       gcp.Quota{Metric: "FORWARDING_RULES", Limit: 15, Within: "regions"},
	Admit:       admitForwardingRule,
}

func admitForwardingRule(t *gcp.Change) error {
	ip := t.New.Config.Text("IPAddress")
	network, err := t.LookUp(KindNetwork, t.New.Config.Text("network"))
	if err != nil {
		return err
	}
	region := "projects/" + t.New.Project() + "/regions/" + t.New.Status.Text("region") + "/"
	for _, other := range t.All(KindForwardingRule, region) {
		if other.Name != t.New.Name && other.Config.Text("IPAddress") == ip && sharesPort(other.Config, t.New.Config) {
			return &gcp.Error{Code: 400, Reason: "invalid", Message: fmt.Sprintf("Invalid value for field 'resource.IPAddress': '%s'. "+
				"Specified IP address is in-use and would result in a conflict.", ip)}
		}
	}
	for _, address := range t.All(KindAddress, region) {
		if address.Made() && address.Properties().Text("address") == ip {
			t.New.Uses = []string{network.Name, address.Name}
			t.New.Status["selfLink"] = LinkBase + t.New.Name
			return nil
		}
	}
	return gcp.Invalid("IPAddress", ip, "Specified IP address is not allocated to the project or does not belong to the specified scope.")
}

func sharesPort(a, b gcp.Properties) bool {
	return slices.ContainsFunc(a.Texts("ports"), func(port string) bool { return slices.Contains(b.Texts("ports"), port) })
}
