package network

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/compute"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// newNAT lets the subnet's nodes and pods reach the internet; nothing can connect to them
// that way. Google chooses the addresses. Ports are allocated dynamically. Only errors are
// logged, such as connections that got no port (Cloud NAT, "Ports and addresses").
func (n *Network) newNAT(ctx *pulumi.Context, name string, vpc *compute.Network, subnet *compute.Subnetwork, args *Args) error {
	router, err := compute.NewRouter(ctx, name, &compute.RouterArgs{
		Network: vpc.ID(),
		Region:  pulumi.String(args.Region),
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("creating the router of %q: %w", name, err)
	}
	_, err = compute.NewRouterNat(ctx, name+"-nat", &compute.RouterNatArgs{
		Router:                        router.Name,
		Region:                        router.Region,
		NatIpAllocateOption:           pulumi.String("AUTO_ONLY"),
		SourceSubnetworkIpRangesToNat: pulumi.String("LIST_OF_SUBNETWORKS"),
		Subnetworks: compute.RouterNatSubnetworkArray{compute.RouterNatSubnetworkArgs{
			Name:                 subnet.ID(),
			SourceIpRangesToNats: pulumi.ToStringArray([]string{"ALL_IP_RANGES"}),
		}},
		EnableDynamicPortAllocation: pulumi.Bool(true),
		MinPortsPerVm:               pulumi.Int(64),
		MaxPortsPerVm:               pulumi.Int(4096),
		LogConfig: compute.RouterNatLogConfigArgs{
			Enable: pulumi.Bool(true), Filter: pulumi.String("ERRORS_ONLY"),
		},
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("creating the NAT of %q: %w", name, err)
	}
	return nil
}
