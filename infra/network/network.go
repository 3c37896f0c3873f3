// Package network creates the VPC of the cluster and the addresses that clients call.
//
// On purpose it has no firewall rule, and a NAT gateway only on request:
//
//   - a VPC denies ingress unless a rule allows it; GKE itself creates the rules for
//     its control plane, its nodes and each load balancer, and removes them;
//   - nodes have no public IPv4 address and need none: images come from Artifact
//     Registry over Private Google Access, Docker Hub's through a repository there.
//
// In a dual-stack network, the nodes' IPv6 addresses are public. The VPC denies ingress to
// them too, but not egress.
package network

import (
	"fmt"
	"net/netip"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/compute"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Names of the secondary ranges of the subnet.
const (
	PodsRange     = "pods"
	ServicesRange = "services"
)

// Network is a VPC with one subnet, and static external addresses.
type Network struct {
	pulumi.ResourceState

	// ID and SubnetID identify the network and the subnet of the cluster.
	ID, SubnetID pulumi.IDOutput
	// Name is the network's name.
	Name pulumi.StringOutput
	// Addresses lists the external addresses: the IPv4 address and, in a dual-stack network,
	// the IPv6 address.
	Addresses []Address
	// IPv6Range is the block of the subnet's IPv6 addresses; nil without dual stack.
	IPv6Range pulumi.StringInput
}

// Address is a static external address.
type Address struct {
	IPv6 bool
	// Name is the name of its resource.
	IP, Name pulumi.StringOutput
}

// Args describe the network. The ranges of the subnet are CIDR blocks that do not overlap.
type Args struct {
	Region                string
	Nodes, Pods, Services string
	// NAT lets nodes and pods of the subnet reach the internet.
	NAT bool
	// GoogleAPIs makes the names of Google's APIs resolve to private addresses in the
	// network.
	GoogleAPIs bool
	// FlowLogs logs a sample of the connections.
	FlowLogs bool
	// DualStack gives the subnet public IPv6 addresses too, and reserves one of them.
	DualStack bool
	// Labels are set on the addresses: networks have no labels.
	Labels pulumi.StringMapInput
	// Protect prevents the deletion of the network and the addresses.
	Protect bool
}

// New creates the network and reserves the addresses.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Network, error) {
	n := &Network{}
	if err := ctx.RegisterComponentResource("grpc-edge:network:Network", name, n, opts...); err != nil {
		return nil, fmt.Errorf("registering network %q: %w", name, err)
	}
	vpc, err := compute.NewNetwork(ctx, name, &compute.NetworkArgs{
		AutoCreateSubnetworks: pulumi.Bool(false),
		RoutingMode:           pulumi.String("REGIONAL"),
	}, pulumi.Parent(n), pulumi.Protect(args.Protect))
	if err != nil {
		return nil, fmt.Errorf("creating network %q: %w", name, err)
	}
	subnet, err := n.newSubnet(ctx, name, vpc, args)
	if err != nil {
		return nil, err
	}
	if args.NAT {
		if err := n.newNAT(ctx, name, vpc, subnet, args); err != nil {
			return nil, err
		}
	}
	if args.GoogleAPIs {
		if err := n.newGoogleAPIs(ctx, name, vpc, args); err != nil {
			return nil, err
		}
	}
	if err := n.newAddress(ctx, name+"-edge", args, &compute.AddressArgs{}); err != nil {
		return nil, err
	}
	if args.DualStack {
		if err := n.newAddress(ctx, name+"-edge-ipv6", args, &compute.AddressArgs{
			IpVersion: pulumi.String("IPV6"),
			// For the forwarding rule of a passthrough load balancer, from the subnet's block.
			Ipv6EndpointType: pulumi.String("NETLB"),
			Subnetwork:       subnet.ID(),
		}); err != nil {
			return nil, err
		}
		n.IPv6Range = n.Addresses[1].IP.ApplyT(subnetRange).(pulumi.StringOutput)
	}
	n.ID, n.Name, n.SubnetID = vpc.ID(), vpc.Name, subnet.ID()
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{
		"id": n.ID, "subnetId": n.SubnetID, "addresses": n.IPs(), "addressNames": n.AddressNames(),
	})
}

// subnetRange returns the /64 of the subnet that an IPv6 address is from. The subnet's own
// output, externalIpv6Prefix, is empty in the preview that makes it dual-stack. The output of a
// new address is unknown there, as it should be.
func subnetRange(address string) (string, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "", fmt.Errorf("reading the IPv6 address of the edge: %w", err)
	}
	return netip.PrefixFrom(ip, 64).Masked().String(), nil
}

// newAddress reserves an address. GKE requires it in the cluster's region, and the load
// balancer of a Service is in the Premium Tier (GKE, "LoadBalancer Service parameters").
func (n *Network) newAddress(ctx *pulumi.Context, name string, args *Args, described *compute.AddressArgs) error {
	described.AddressType = pulumi.String("EXTERNAL")
	described.NetworkTier = pulumi.String("PREMIUM")
	described.Region = pulumi.String(args.Region)
	described.Labels = args.Labels
	address, err := compute.NewAddress(ctx, name, described, pulumi.Parent(n), pulumi.Protect(args.Protect))
	if err != nil {
		return fmt.Errorf("reserving the external address %q: %w", name, err)
	}
	n.Addresses = append(n.Addresses, Address{IPv6: described.IpVersion != nil, IP: address.Address, Name: address.Name})
	return nil
}

// IPs returns all external addresses.
func (n *Network) IPs() pulumi.StringArray {
	var ips pulumi.StringArray
	for _, address := range n.Addresses {
		ips = append(ips, address.IP)
	}
	return ips
}

// AddressNames returns the names of the resources of all external addresses.
func (n *Network) AddressNames() pulumi.StringArray {
	var names pulumi.StringArray
	for _, address := range n.Addresses {
		names = append(names, address.Name)
	}
	return names
}

func (n *Network) newSubnet(ctx *pulumi.Context, name string, vpc *compute.Network, args *Args) (*compute.Subnetwork, error) {
	described := &compute.SubnetworkArgs{
		Network:     vpc.ID(),
		Region:      pulumi.String(args.Region),
		IpCidrRange: pulumi.String(args.Nodes),
		SecondaryIpRanges: compute.SubnetworkSecondaryIpRangeArray{
			secondaryRange(PodsRange, args.Pods),
			secondaryRange(ServicesRange, args.Services),
		},
		PrivateIpGoogleAccess: pulumi.Bool(true),
	}
	if args.FlowLogs {
		// Half of the connections, with one entry a minute for each: entries are billed
		// (VPC, "VPC Flow Logs", log volume).
		described.LogConfig = compute.SubnetworkLogConfigArgs{
			AggregationInterval: pulumi.String("INTERVAL_1_MIN"), FlowSampling: pulumi.Float64(0.5),
			Metadata: pulumi.String("INCLUDE_ALL_METADATA"),
		}
	}
	options := []pulumi.ResourceOption{pulumi.Parent(n)}
	if args.DualStack {
		// A load balancer that clients reach from the internet needs external addresses (VPC,
		// "Subnets", IPv6 access types).
		described.StackType, described.Ipv6AccessType = pulumi.String("IPV4_IPV6"), pulumi.String("EXTERNAL")
	} else {
		// A subnet that was dual-stack keeps its IPv6 range: Google does not change the access
		// type again, and every preview would show that it should.
		options = append(options, pulumi.IgnoreChanges([]string{"stackType", "ipv6AccessType"}))
	}
	subnet, err := compute.NewSubnetwork(ctx, name+"-nodes", described, options...)
	if err != nil {
		return nil, fmt.Errorf("creating the subnet of %q: %w", name, err)
	}
	return subnet, nil
}

func secondaryRange(name, cidr string) compute.SubnetworkSecondaryIpRangeArgs {
	return compute.SubnetworkSecondaryIpRangeArgs{
		RangeName:   pulumi.String(name),
		IpCidrRange: pulumi.String(cidr),
	}
}
