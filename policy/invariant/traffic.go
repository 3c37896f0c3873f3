package invariant

import (
	"net/netip"
	"slices"
	"strings"
)

// trafficRules returns the rules about traffic from outside: to port 443, and nothing else.
func trafficRules() []Rule {
	const (
		why = "Each open port is one more program that anyone on the internet can attack."
		gke = `GKE, "LoadBalancer Service parameters"`
		vpc = `VPC, "VPC firewall rules"`
	)
	return []Rule{
		{
			Name: "service-only-443", Why: why, Source: gke,
			What:     "A Service is reached from outside on port 443 only.",
			resource: on(service, "kubernetes:core/v1:Service"),
		},
		{
			Name: "firewall-only-443", Why: why, Source: vpc,
			What:     "A firewall rule admits only TCP to port 443 from outside.",
			resource: on(firewall, "gcp:compute/firewall:Firewall"),
		},
		{
			Name: "forwarding-only-443", Why: why,
			Source:   `Cloud Load Balancing, "Forwarding rules overview"`,
			What:     "An external forwarding rule takes port 443 only.",
			resource: on(forwarding, "gcp:compute/forwardingRule:ForwardingRule", "gcp:compute/globalForwardingRule:GlobalForwardingRule"),
		},
	}
}

func service(s value) []finding {
	spec := s.at("spec")
	found := concat(spec.at("type").must(nil, "ClusterIP", "LoadBalancer"), spec.at("externalIPs").must(nil))
	internal := s.at("metadata.annotations").key("networking.gke.io/load-balancer-type").is("Internal")
	if !spec.at("type").is("LoadBalancer") || internal {
		return found
	}
	return append(found, each(spec.at("ports").items(), func(port value) []finding {
		return concat(port.at("port").must(443), port.at("protocol").must("TCP", nil))
	})...)
}

// probes lists the ranges that Google's health checks come from (Cloud Load Balancing,
// "Health checks overview").
var probes = []string{"35.191.0.0/16", "130.211.0.0/22"}

func firewall(f value) []finding {
	if f.at("direction").is("EGRESS") || f.at("disabled").isTrue() || !fromOutside(f) {
		return nil
	}
	return each(f.at("allows").items(), func(allow value) []finding {
		return concat(allow.at("protocol").must("tcp", "6"), allow.at("ports").mustBe443())
	})
}

// fromOutside reports whether a firewall rule accepts traffic from public addresses: by its
// ranges, or because it names no source at all.
func fromOutside(f value) bool {
	ranges := f.at("sourceRanges")
	if ranges.IsNull() {
		return f.at("sourceTags").IsNull() && f.at("sourceServiceAccounts").IsNull()
	}
	return slices.ContainsFunc(ranges.items(), func(r value) bool {
		prefix, err := netip.ParsePrefix(r.text())
		return err == nil && !prefix.Addr().IsPrivate() && !slices.Contains(probes, r.text())
	})
}

func forwarding(rule value) []finding {
	if scheme := rule.at("loadBalancingScheme"); !scheme.IsNull() && !strings.HasPrefix(scheme.text(), "EXTERNAL") {
		return nil
	}
	if rule.at("ports").IsNull() {
		return concat(rule.at("allPorts").must(false, nil), rule.at("portRange").must("443", "443-443"))
	}
	return concat(rule.at("allPorts").must(false, nil), rule.at("ports").mustBe443())
}

// mustBe443 reports a list of ports that is not exactly 443.
func (v value) mustBe443() []finding {
	items := v.items()
	if v.IsComputed() || len(items) == 1 && (items[0].is("443") || items[0].IsComputed()) {
		return nil
	}
	return v.wrong(`must be ["443"]`)
}
