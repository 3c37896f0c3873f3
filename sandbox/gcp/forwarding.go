package gcp

import (
	"fmt"
	"slices"
)

var forwardingRuleRule = &rule{
	kind: KindForwardingRule, name: "projects/{project}/regions/{region}/forwardingRules/{name}",
	permissions: permissionsOf("forwardingRules", "compute.regionOperations.get", nil),
	noun:        "forwarding rule", quota: quota{metric: "FORWARDING_RULES", limit: 15, within: "regions"},
	admit: admitForwardingRule,
}

func admitForwardingRule(t *change) error {
	ip := t.new.Config.str("IPAddress")
	network, err := t.lookUp(KindNetwork, t.new.Config.str("network"))
	if err != nil {
		return err
	}
	region := "projects/" + t.new.project() + "/regions/" + t.new.Status.str("region") + "/"
	for _, other := range t.all(KindForwardingRule, region) {
		if other.Name != t.new.Name && other.Config.str("IPAddress") == ip && sharesPort(other.Config, t.new.Config) {
			return &Error{Code: 400, Reason: "invalid", Message: fmt.Sprintf("Invalid value for field 'resource.IPAddress': '%s'. "+
				"Specified IP address is in-use and would result in a conflict.", ip)}
		}
	}
	for _, address := range t.all(KindAddress, region) {
		if address.made() && address.Properties().str("address") == ip {
			t.new.Uses = []string{network.Name, address.Name}
			t.new.Status["selfLink"] = computeBase + t.new.Name
			return nil
		}
	}
	return invalid("IPAddress", ip, "Specified IP address is not allocated to the project or does not belong to the specified scope.")
}

func sharesPort(a, b Properties) bool {
	return slices.ContainsFunc(a.strings("ports"), func(port string) bool { return slices.Contains(b.strings("ports"), port) })
}
