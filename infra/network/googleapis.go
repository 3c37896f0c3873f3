package network

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/compute"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/dns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// privateGoogleAPIs lists the addresses of private.googleapis.com, which answer only from a
// VPC (VPC, "Configure Private Google Access", domain options).
var privateGoogleAPIs = []string{"199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"}

// dnsSeconds is the TTL of the answers in seconds, as in Google's guide.
const dnsSeconds = 300

// newGoogleAPIs makes every name below googleapis.com resolve to those four addresses in
// this network. A NetworkPolicy, which matches only addresses, can then allow Google's APIs
// and nothing else.
func (n *Network) newGoogleAPIs(ctx *pulumi.Context, name string, vpc *compute.Network, args *Args) error {
	name += "-googleapis"
	zone, err := dns.NewManagedZone(ctx, name, &dns.ManagedZoneArgs{
		DnsName:     pulumi.String("googleapis.com."),
		Description: pulumi.String("Google's APIs over Private Google Access"),
		Visibility:  pulumi.String("private"),
		PrivateVisibilityConfig: dns.ManagedZonePrivateVisibilityConfigArgs{
			Networks: dns.ManagedZonePrivateVisibilityConfigNetworkArray{
				dns.ManagedZonePrivateVisibilityConfigNetworkArgs{NetworkUrl: vpc.ID()},
			},
		},
		Labels: args.Labels,
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("creating the DNS zone of Google's APIs: %w", err)
	}
	for kind, record := range map[string]struct {
		name string
		data []string
	}{
		"A":     {"private.googleapis.com.", privateGoogleAPIs},
		"CNAME": {"*.googleapis.com.", []string{"private.googleapis.com."}},
	} {
		_, err := dns.NewRecordSet(ctx, name+"-"+kind, &dns.RecordSetArgs{
			ManagedZone: zone.Name, Name: pulumi.String(record.name), Type: pulumi.String(kind),
			Ttl: pulumi.Int(dnsSeconds), Rrdatas: pulumi.ToStringArray(record.data),
		}, pulumi.Parent(n))
		if err != nil {
			return fmt.Errorf("creating the %s record of Google's APIs: %w", kind, err)
		}
	}
	return nil
}
