package dns

import (
	"context"
	"net/netip"
	"regexp"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

// Each project has one public managed zone of Cloud DNS. Like CA pools, it exists without being
// created: it stands for a company's zone, in which a stack only creates records.
const (
	emulatedZone   = "example-com"
	emulatedDomain = "example.com."
)

// recordSetResource follows the Terraform provider, which replaces the records of a name and type
// that exist already (resource_dns_record_set.go, resourceDnsRecordSetCreate). Cloud DNS itself
// would answer 409.
var recordSetResource = &gcp.Resource{
	Kind: KindRecordSet, Noun: "resource record set", Name: "projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}",
	// Every change of a record is a change of its zone, for which the client waits
	// ("Roles and permissions", Cloud DNS). It lists the records before it makes one, and to
	// read one.
	Permissions: gcp.Verbs{
		gcp.VerbCreate: gcp.On(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.create"),
		gcp.VerbGet:    gcp.On(onZone, "dns.resourceRecordSets.list"),
		gcp.VerbUpdate: gcp.On(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.update"),
		gcp.VerbDelete: gcp.On(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.delete"),
	},
	Idempotent: true, Consumed: true, Check: checkRecordSet, Admit: admitRecordSet,
}

func onZone(call gcp.Call) string {
	zone, _, _ := strings.Cut(call.Name, "/rrsets/")
	return zone
}

// recordName matches a DNS name in lower case with its final dot ("ResourceRecordSet", Cloud DNS
// API); the first label may be a wildcard.
var recordName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+$`)

func checkRecordSet(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("name", recordName, "be a DNS name in lower case with a final dot")
	c.Match("managedZone", gcp.ResourceName, "be the name of a managed zone")
	c.OneOf("type", "A", "AAAA", "CNAME")
	for _, data := range p.Texts("rrdatas") {
		a, err := netip.ParseAddr(data)
		switch kind := p.Text("type"); {
		case data == "":
		case kind == "A" && (err != nil || !a.Is4()):
			c.Wrong("rrdatas", "%q is not an IPv4 address, as records of type A have", data)
		case kind == "AAAA" && (err != nil || !a.Is6()):
			c.Wrong("rrdatas", "%q is not an IPv6 address, as records of type AAAA have", data)
		}
	}
	if p.Has("routingPolicy") {
		c.Wrong("routingPolicy", "is not emulated: give rrdatas")
	}
	return c.Found
}

// admitRecordSet answers as changes.create of the Cloud DNS API does.
func admitRecordSet(t *gcp.Change) error {
	zone, _, _ := strings.Cut(t.New.Name, "/rrsets/")
	domain := emulatedDomain
	if made, err := t.LookUp(KindManagedZone, zone); err == nil {
		domain, t.New.Uses = made.Config.Text("dnsName"), []string{made.Name}
	} else if err := findZone(zone); err != nil {
		return err
	}
	p := t.New.Config
	if name := p.Text("name"); name != domain && !strings.HasSuffix(name, "."+domain) {
		return &gcp.Error{Code: 400, Reason: "invalidValue", Message: "Invalid value for 'entity.change.additions[0].name': '" + name +
			"' (the zone " + gcp.LastSegment(zone) + " has the domain " + domain + ")"}
	}
	if len(p.Texts("rrdatas")) == 0 {
		return &gcp.Error{Code: 400, Reason: "required", Message: "The 'entity.change.additions[0].rrdata' parameter is required but was missing."}
	}
	return nil
}

// ManagedZone returns the domain of a zone, with its final dot, to the caller, see [gcp.As].
// The zone is given by its name, projects/*/managedZones/*, and the API has to be enabled
// in the project that asks.
func ManagedZone(ctx context.Context, c *gcp.Cloud, consumer, zone string) (string, error) {
	if err := c.Permit(ctx, "dns.managedZones.get", zone); err != nil {
		return "", err
	}
	v, done := c.View()
	defer done()
	if err := v.RequireAPI(KindRecordSet.API(), consumer); err != nil {
		return "", err
	}
	return emulatedDomain, findZone(zone)
}

func findZone(zone string) error {
	if name := gcp.LastSegment(zone); name != emulatedZone {
		return &gcp.Error{Code: 404, Reason: "notFound", Message: "The 'parameters.managedZone' resource named '" + name +
			"' does not exist: the sandbox emulates only the zone " + emulatedZone + " of each project."}
	}
	return nil
}
