package gcp

import (
	"context"
	"net/netip"
	"regexp"
	"strings"
)

// Each project has one public managed zone of Cloud DNS. Like CA pools, it exists without being
// created: it stands for a company's zone, in which a stack only creates records.
const (
	emulatedZone   = "example-com"
	emulatedDomain = "example.com."
)

// recordSetRule follows the Terraform provider, which replaces the records of a name and type
// that exist already (resource_dns_record_set.go, resourceDnsRecordSetCreate). Cloud DNS itself
// would answer 409.
var recordSetRule = &rule{
	kind: KindRecordSet, name: "projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}",
	// Every change of a record is a change of its zone, for which the client waits
	// ("Roles and permissions", Cloud DNS). It lists the records before it makes one, and to
	// read one.
	permissions: verbs{
		VerbCreate: on(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.create"),
		VerbGet:    on(onZone, "dns.resourceRecordSets.list"),
		VerbUpdate: on(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.update"),
		VerbDelete: on(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.delete"),
	},
	noun: "resource record set", idempotent: true, consumed: true, check: checkRecordSet, admit: admitRecordSet,
}

func onZone(call Call) string {
	zone, _, _ := strings.Cut(call.Name, "/rrsets/")
	return zone
}

// recordName matches a DNS name in lower case with its final dot ("ResourceRecordSet", Cloud DNS
// API); the first label may be a wildcard.
var recordName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+$`)

func checkRecordSet(p Properties) []Violation {
	c := &checker{p: p}
	c.match("name", recordName, "be a DNS name in lower case with a final dot")
	c.match("managedZone", resourceName, "be the name of a managed zone")
	c.oneOf("type", "A", "CNAME")
	for _, data := range p.strings("rrdatas") {
		if a, err := netip.ParseAddr(data); p.str("type") == "A" && data != "" && (err != nil || !a.Is4()) {
			c.wrong("rrdatas", "%q is not an IPv4 address, as records of type A have", data)
		}
	}
	if p.has("routingPolicy") {
		c.wrong("routingPolicy", "is not emulated: give rrdatas")
	}
	return c.found
}

// admitRecordSet answers as changes.create of the Cloud DNS API does.
func admitRecordSet(t *change) error {
	zone, _, _ := strings.Cut(t.new.Name, "/rrsets/")
	domain := emulatedDomain
	if made, err := t.lookUp(KindManagedZone, zone); err == nil {
		domain, t.new.Uses = made.Config.str("dnsName"), []string{made.Name}
	} else if err := findZone(zone); err != nil {
		return err
	}
	p := t.new.Config
	if name := p.str("name"); name != domain && !strings.HasSuffix(name, "."+domain) {
		return &Error{Code: 400, Reason: "invalidValue", Message: "Invalid value for 'entity.change.additions[0].name': '" + name +
			"' (the zone " + lastSegment(zone) + " has the domain " + domain + ")"}
	}
	if len(p.strings("rrdatas")) == 0 {
		return &Error{Code: 400, Reason: "required", Message: "The 'entity.change.additions[0].rrdata' parameter is required but was missing."}
	}
	return nil
}

// ManagedZone returns the domain of a zone, with its final dot, to the caller, see [As].
// The zone is given by its name, projects/*/managedZones/*, and the API has to be enabled
// in the project that asks.
func ManagedZone(ctx context.Context, c *Cloud, consumer, zone string) (string, error) {
	if err := c.Permit(ctx, "dns.managedZones.get", zone); err != nil {
		return "", err
	}
	v, done := c.View()
	defer done()
	if err := v.requireAPI(KindRecordSet.API(), consumer); err != nil {
		return "", err
	}
	return emulatedDomain, findZone(zone)
}

func findZone(zone string) error {
	if name := lastSegment(zone); name != emulatedZone {
		return &Error{Code: 404, Reason: "notFound", Message: "The 'parameters.managedZone' resource named '" + name +
			"' does not exist: emulated is the zone " + emulatedZone + " of each project."}
	}
	return nil
}
