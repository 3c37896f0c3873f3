// A program with a chain and a fork of Google Cloud's objects, whose names Pulumi makes.
package main

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

func main() { pulumi.Run(deploy) }

type custom struct{ pulumi.CustomResourceState }

func deploy(ctx *pulumi.Context) error {
	services, network := &custom{}, &custom{}
	for _, r := range []struct {
		into        *custom
		token, name string
		inputs      pulumi.Map
		after       *custom
	}{
		{services, "gcp:projects/service:Service", "compute", pulumi.Map{"service": pulumi.String("compute.googleapis.com"), "disableOnDestroy": pulumi.Bool(false)}, nil},
		{network, "gcp:compute/network:Network", "network", pulumi.Map{"autoCreateSubnetworks": pulumi.Bool(false)}, services},
		{&custom{}, "gcp:compute/address:Address", "edge", pulumi.Map{"addressType": pulumi.String("EXTERNAL")}, services},
		{&custom{}, "gcp:compute/subnetwork:Subnetwork", "nodes", pulumi.Map{"ipCidrRange": pulumi.String("10.0.0.0/20")}, network},
		{&custom{}, "gcp:compute/router:Router", "router", pulumi.Map{}, network},
	} {
		var options []pulumi.ResourceOption
		if r.after != nil {
			options = append(options, pulumi.DependsOn([]pulumi.Resource{r.after}))
		}
		if r.after == network {
			r.inputs["network"] = network.ID()
		}
		if err := ctx.RegisterResource(r.token, r.name, r.inputs, r.into, options...); err != nil {
			return err
		}
	}
	return nil
}
