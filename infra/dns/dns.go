// Package dns creates the A and AAAA records of the names that clients call, in an existing
// managed zone of Cloud DNS.
package dns

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/dns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/network"
)

// ttl is the time in seconds that a resolver caches an answer. An address is static: it
// changes only with another stack, and then clients follow within this time.
const ttl = 300

// Records are the records of one zone.
type Records struct {
	pulumi.ResourceState
}

// Args describe the records.
type Args struct {
	Zone config.DNSZone
	// Names lists the names, without the final dot.
	Names     []string
	Addresses []network.Address
	// Ready waits for the API of Cloud DNS.
	Ready pulumi.ResourceOrInvokeOption
}

// New creates one record for each name and address. It fails if a name is not in the domain
// of the zone, which Cloud DNS would report only one record at a time.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Records, error) {
	r := &Records{}
	if err := ctx.RegisterComponentResource("grpc-edge:dns:Records", name, r, opts...); err != nil {
		return nil, fmt.Errorf("registering the DNS records %q: %w", name, err)
	}
	// The API must be usable first, which it is not in a first preview.
	zone := dns.LookupManagedZoneOutput(ctx, dns.LookupManagedZoneOutputArgs{
		Name: pulumi.String(args.Zone.Name), Project: pulumi.String(args.Zone.Project),
	}, pulumi.Parent(r), args.Ready)
	checked := zone.DnsName().ApplyT(func(domain string) (string, error) {
		return args.Zone.Name, contains(domain, args)
	}).(pulumi.StringOutput)
	for _, host := range args.Names {
		for _, address := range args.Addresses {
			resource, kind := name+"-"+host, "A"
			if address.IPv6 {
				resource, kind = resource+"-ipv6", "AAAA"
			}
			_, err := dns.NewRecordSet(ctx, resource, &dns.RecordSetArgs{
				Project: pulumi.String(args.Zone.Project), ManagedZone: checked,
				Name: pulumi.String(host + "."), Type: pulumi.String(kind), Ttl: pulumi.Int(ttl),
				Rrdatas: pulumi.StringArray{address.IP},
			}, pulumi.Parent(r))
			if err != nil {
				return nil, fmt.Errorf("creating the %s record of %s: %w", kind, host, err)
			}
		}
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{})
}

// contains returns an error with the names that are not in the domain of the zone, which
// has a final dot.
func contains(domain string, args *Args) error {
	var outside []string
	for _, name := range args.Names {
		if full := name + "."; full != domain && !strings.HasSuffix(full, "."+domain) {
			outside = append(outside, name)
		}
	}
	if len(outside) == 0 {
		return nil
	}
	return fmt.Errorf("grpc-edge:dnsZone %s has the domain %s, which does not contain %s of grpc-edge:authorities; "+
		"name the zone of all of them, or set dnsZone to \"\" and make the records elsewhere",
		args.Zone.ID(), strings.TrimSuffix(domain, "."), strings.Join(outside, ", "))
}
