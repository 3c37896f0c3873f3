// Package compute emulates what a cluster needs of Compute Engine: networks, subnets, firewall rules,
// addresses, Cloud NAT and forwarding rules.
package compute

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object that the API has.
const (
	KindNetwork        gcp.Kind = "compute.googleapis.com/Network"
	KindSubnetwork     gcp.Kind = "compute.googleapis.com/Subnetwork"
	KindFirewall       gcp.Kind = "compute.googleapis.com/Firewall"
	KindAddress        gcp.Kind = "compute.googleapis.com/Address"
	KindRouter         gcp.Kind = "compute.googleapis.com/Router"
	KindRouterNAT      gcp.Kind = "compute.googleapis.com/RouterNat"
	KindForwardingRule gcp.Kind = "compute.googleapis.com/ForwardingRule"
)

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"compute.googleapis.com": "Compute Engine API"},
		Kinds:  []*gcp.Resource{networkResource, subnetworkResource, firewallResource, addressResource, routerResource, natResource, forwardingRuleResource},
	}
}
