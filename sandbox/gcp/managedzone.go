package gcp

import "slices"

// managedZoneRule describes private zones, which answer in the networks that they name.
var managedZoneRule = &rule{
	kind: KindManagedZone, name: "projects/{project}/managedZones/{name}",
	// A private zone is bound to its network when it is made or changed ("Roles and
	// permissions", Cloud DNS).
	permissions: verbs{
		VerbCreate: on(onProject, "dns.managedZones.create", "dns.networks.bindPrivateDNSZone"),
		VerbGet:    on(onObject, "dns.managedZones.get"),
		VerbUpdate: on(onObject, "dns.managedZones.update", "dns.networks.bindPrivateDNSZone"),
		VerbDelete: on(onObject, "dns.managedZones.delete"),
	},
	noun: "managed zone", quota: quota{metric: "MANAGED_ZONES", limit: 10000}, // "Quotas and limits", Cloud DNS
	check: checkManagedZone, admit: admitManagedZone,
}

func checkManagedZone(p Properties) []Violation {
	c := &checker{p: p}
	c.name()
	c.match("dnsName", recordName, "be a DNS name in lower case with a final dot")
	if p.str("visibility") != "private" {
		c.wrong("visibility", "%q is not emulated: a stack makes private zones only", p.str("visibility"))
	}
	if len(p.objects("privateVisibilityConfig.networks")) == 0 {
		c.wrong("privateVisibilityConfig", "needs a network, as no other sees a private zone")
	}
	return c.found
}

// admitManagedZone answers as managedZones.create of the Cloud DNS API does: a network
// has one private zone of a domain.
func admitManagedZone(t *change) error {
	p := t.new.Config
	for _, n := range p.objects("privateVisibilityConfig.networks") {
		network, err := t.lookUp(KindNetwork, n.str("networkUrl"))
		if err != nil {
			return err
		}
		t.new.Uses = append(t.new.Uses, network.Name)
	}
	for _, other := range t.all(KindManagedZone, "projects/"+t.new.project()+"/managedZones/") {
		if other.Name != t.new.Name && other.Config.str("dnsName") == p.str("dnsName") && sharesNetwork(other, t.new) {
			return &Error{Code: 400, Reason: "invalid", Message: "A network that is to see the zone '" + t.new.last() + "' has the zone '" + other.last() + "' of the domain " + p.str("dnsName") + " already."}
		}
	}
	t.stamp("creationTime")
	t.complete(Properties{"managedZoneId": ProjectNumber(t.new.Name), "nameServers": []any{"ns-gcp-private.googledomains.com."}}, nil)
	return nil
}

// sharesNetwork reports whether both zones answer in one network.
func sharesNetwork(a, b *Object) bool {
	return slices.ContainsFunc(a.Uses, func(network string) bool { return slices.Contains(b.Uses, network) })
}
