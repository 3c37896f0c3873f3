package dns

import (
	"slices"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
)

// managedZoneResource describes private zones, which answer in the networks that they name.
var managedZoneResource = &gcp.Resource{
	Kind: KindManagedZone, Noun: "managed zone", Name: "projects/{project}/managedZones/{name}",
	// A private zone is bound to its network when it is made or changed ("Roles and
	// permissions", Cloud DNS).
	Permissions: gcp.Verbs{
		gcp.VerbCreate: gcp.On(gcp.OnProject, "dns.managedZones.create", "dns.networks.bindPrivateDNSZone"),
		gcp.VerbGet:    gcp.On(gcp.OnObject, "dns.managedZones.get"),
		gcp.VerbUpdate: gcp.On(gcp.OnObject, "dns.managedZones.update", "dns.networks.bindPrivateDNSZone"),
		gcp.VerbDelete: gcp.On(gcp.OnObject, "dns.managedZones.delete"),
	},
	Quota: gcp.Quota{Metric: "MANAGED_ZONES", Limit: 10000}, // "Quotas and limits", Cloud DNS
	Check: checkManagedZone, Admit: admitManagedZone,
}

func checkManagedZone(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Name()
	c.Match("dnsName", recordName, "be a DNS name in lower case with a final dot")
	c.OnlyEmulated("visibility", "private")
	if len(p.Objects("privateVisibilityConfig.networks")) == 0 {
		c.Wrong("privateVisibilityConfig", "needs a network: only its networks see a private zone")
	}
	return c.Found
}

// admitManagedZone answers as managedZones.create of the Cloud DNS API does: a network
// has one private zone of a domain.
func admitManagedZone(t *gcp.Change) error {
	p := t.New.Config
	for _, n := range p.Objects("privateVisibilityConfig.networks") {
		network, err := t.LookUp(compute.KindNetwork, n.Text("networkUrl"))
		if err != nil {
			return err
		}
		t.New.Uses = append(t.New.Uses, network.Name)
	}
	for _, other := range t.All(KindManagedZone, "projects/"+t.New.Project()+"/managedZones/") {
		if other.Name != t.New.Name && other.Config.Text("dnsName") == p.Text("dnsName") && sharesNetwork(other, t.New) {
			return &gcp.Error{Code: 400, Reason: "invalid", Message: "A network that is to see the zone '" + t.New.ID() + "' has the zone '" + other.ID() + "' of the domain " + p.Text("dnsName") + " already."}
		}
	}
	t.Stamp("creationTime")
	t.Complete(gcp.Properties{"managedZoneId": gcp.ProjectNumber(t.New.Name), "nameServers": []any{"ns-gcp-private.googledomains.com."}}, nil)
	return nil
}

// sharesNetwork reports whether both zones answer in one network.
func sharesNetwork(a, b *gcp.Object) bool {
	return slices.ContainsFunc(a.Uses, func(network string) bool { return slices.Contains(b.Uses, network) })
}
