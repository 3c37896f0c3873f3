package compute_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("network exists", compute.KindNetwork, gcp.Properties{"name": "net"}, 409, "The resource '"+gcptest.NetworkName+"' already exists, alreadyExists")
	refuse("network name", compute.KindNetwork, gcp.Properties{"name": "Net"}, 400, "must be 1-63 characters")
	refuse("network MTU", compute.KindNetwork, gcp.Properties{"name": "n", "mtu": 1200.0}, 400, "1200 is not between 1300 and 8896")
	refuse("project ID", compute.KindNetwork, gcp.Properties{"name": "n", "project": "P"}, 400, `Invalid project ID "P"`)
	refuse("API of another project", compute.KindNetwork, gcp.Properties{"name": "n", "project": "other-project"}, 403,
		"Compute Engine API has not been used in project")
	refuse("subnet without network", compute.KindSubnetwork, gcptest.With(gcptest.SubnetConfig, gcp.Properties{"name": "s", "network": "nope"}), 404,
		"The resource 'projects/test-project/global/networks/nope' was not found, notFound")
	refuse("subnet range", compute.KindSubnetwork, gcp.Properties{"name": "s", "network": "net", "ipCidrRange": "10.0.0.1/20"}, 400, "host bits are set")
	refuse("subnet range size", compute.KindSubnetwork, gcp.Properties{"name": "s", "network": "net", "ipCidrRange": "10.9.0.0/30"}, 400, "between 4 and 29")
	refuse("subnet range prohibited", compute.KindSubnetwork, gcp.Properties{"name": "s", "network": "net", "ipCidrRange": "169.254.0.0/24"}, 400, "no subnet may use")
	refuse("subnet overlaps", compute.KindSubnetwork, gcp.Properties{"name": "s", "network": "net", "ipCidrRange": "10.5.0.0/20"}, 400,
		"Invalid IPCidrRange: 10.5.0.0/20 conflicts with existing subnetwork 'sub' in region 'us-central1'., invalid")
	refuse("subnet overlaps itself", compute.KindSubnetwork, gcp.Properties{"name": "s", "network": "net", "ipCidrRange": "10.16.0.0/20",
		"secondaryIpRanges": []any{gcp.Properties{"rangeName": "r", "ipCidrRange": "10.16.8.0/24"}}}, 400, "conflicts with existing subnetwork 's'")
	refuse("subnet region", compute.KindSubnetwork, gcptest.With(gcptest.SubnetConfig, gcp.Properties{"region": "us-central9"}), 400, "Unknown region")
	dual := gcp.Properties{"name": "s", "network": "net", "ipCidrRange": "10.32.0.0/20", "stackType": "IPV4_IPV6"}
	refuse("dual stack without access", compute.KindSubnetwork, dual, 400, "'resource.ipv6AccessType' not specified")
	refuse("internal IPv6", compute.KindSubnetwork, gcptest.With(dual, gcp.Properties{"ipv6AccessType": "INTERNAL"}), 400, "not emulated")
	ipv6 := gcp.Properties{"name": "a", "ipVersion": "IPV6", "ipv6EndpointType": "NETLB", "subnetwork": "sub"}
	refuse("IPv6 without a range", compute.KindAddress, ipv6, 400, "no external IPv6 range")
	refuse("IPv6 without subnet", compute.KindAddress, gcptest.With(ipv6, gcp.Properties{"subnetwork": nil}), 400, "'resource.subnetwork' not specified")
	refuse("IPv6 in the Standard Tier", compute.KindAddress, gcptest.With(ipv6, gcp.Properties{"networkTier": "STANDARD"}), 400, "PREMIUM")
	refuse("address asked for", compute.KindAddress, gcp.Properties{"name": "a", "address": "203.0.113.99"}, 400, "not allocated to the project")
	refuse("internal address", compute.KindAddress, gcp.Properties{"name": "a", "addressType": "INTERNAL", "subnetwork": "sub"}, 400, "stacks have EXTERNAL only")
	refuse("router with BGP", compute.KindRouter, gcp.Properties{"name": "r", "network": "net", "bgp": gcp.Properties{"asn": 64512.0}}, 400, "bgp': is not emulated")
	nat := gcp.Properties{"name": "nat", "router": "r", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS", "natIpAllocateOption": "AUTO_ONLY",
		"subnetworks": []any{gcp.Properties{"name": "sub"}}}
	refuse("NAT without router", compute.KindRouterNAT, nat, 404, "routers/r' was not found")
	gcptest.Create(t, c, compute.KindRouter, gcp.Properties{"name": "r", "network": "net"})
	refuse("NAT of no subnet", compute.KindRouterNAT, gcptest.With(nat, gcp.Properties{"subnetworks": nil}), 400, "LIST_OF_SUBNETWORKS needs subnetworks")
	refuse("NAT of a missing subnet", compute.KindRouterNAT, gcptest.With(nat, gcp.Properties{"subnetworks": []any{gcp.Properties{"name": "s"}}}), 404, "subnetworks/s' was not found")
	refuse("NAT of all subnets", compute.KindRouterNAT, gcptest.With(nat, gcp.Properties{"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}),
		400, `"ALL_SUBNETWORKS_ALL_IP_RANGES" is not emulated: stacks have LIST_OF_SUBNETWORKS only`)
	refuse("NAT with addresses", compute.KindRouterNAT, gcptest.With(nat, gcp.Properties{"natIps": []any{"ip"}}), 400, "natIps': is not emulated")
}
