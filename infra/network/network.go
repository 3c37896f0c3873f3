// Package network creates the VPC of the cluster and the address that clients call.
//
// On purpose it has no firewall rule, and a NAT gateway only on request:
//
//   - a VPC denies ingress unless a rule allows it; GKE itself creates the rules for
//     its control plane, its nodes and each load balancer, and removes them;
//   - nodes have no public address and need none: images come from Artifact
//     Registry over Private Google Access, Docker Hub's through a repository there.
package network

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/compute"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Names of the secondary ranges of the subnet.
const (
	PodsRange     = "pods"
	ServicesRange = "services"
)

// Network is a VPC with one subnet, and a static external IP.
type Network struct {
	pulumi.ResourceState

	// ID and SubnetID identify the network and the subnet of the cluster.
	ID, SubnetID pulumi.IDOutput
	// Address is the external IPv4 address; AddressName is the name of its resource.
	Address, AddressName pulumi.StringOutput
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
	// Labels are set on the address: networks have no labels.
	Labels pulumi.StringMapInput
	// Protect prevents the deletion of the network and the address.
	Protect bool
}

// New creates the network and reserves the address.
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
	// GKE requires the address in the cluster's region, and the load balancer of a Service
	// is in the Premium Tier (GKE, "LoadBalancer Service parameters").
	address, err := compute.NewAddress(ctx, name+"-edge", &compute.AddressArgs{
		AddressType: pulumi.String("EXTERNAL"),
		NetworkTier: pulumi.String("PREMIUM"),
		Region:      pulumi.String(args.Region),
		Labels:      args.Labels,
	}, pulumi.Parent(n), pulumi.Protect(args.Protect))
	if err != nil {
		return nil, fmt.Errorf("reserving the external address of %q: %w", name, err)
	}
	n.ID, n.SubnetID, n.Address, n.AddressName = vpc.ID(), subnet.ID(), address.Address, address.Name
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{
		"id": n.ID, "subnetId": n.SubnetID, "address": n.Address, "addressName": n.AddressName,
	})
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
	subnet, err := compute.NewSubnetwork(ctx, name+"-nodes", described, pulumi.Parent(n))
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
