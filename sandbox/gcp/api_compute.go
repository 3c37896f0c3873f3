// Package compute emulates what a cluster needs of Compute Engine: networks, subnets, firewall rules,
// addresses, Cloud NAT and forwarding rules.
package gcp

// The kinds of object.
const (
	KindNetwork        Kind = "compute.googleapis.com/Network"
	KindSubnetwork     Kind = "compute.googleapis.com/Subnetwork"
	KindFirewall       Kind = "compute.googleapis.com/Firewall"
	KindAddress        Kind = "compute.googleapis.com/Address"
	KindRouter         Kind = "compute.googleapis.com/Router"
	KindRouterNAT      Kind = "compute.googleapis.com/RouterNat"
	KindForwardingRule Kind = "compute.googleapis.com/ForwardingRule"
)

// API returns the API.
func API_compute() API {
	return API{
		Titles: map[string]string{"compute.googleapis.com": "Compute Engine API"},
		Kinds:  []*rule{networkRule, subnetworkRule, firewallRule, addressRule, routerRule, natRule, forwardingRuleRule},
	}
}
