package config

import (
	"cmp"
	"regexp"
	"slices"
)

const (
	authoritiesKey = "grpc-edge:authorities"
	dnsZoneKey     = "grpc-edge:dnsZone"
)

// DNSZone is a managed zone of Cloud DNS; the zero value is none.
type DNSZone struct{ Project, Name string }

// ID returns the resource name of the zone.
func (z DNSZone) ID() string { return "projects/" + z.Project + "/managedZones/" + z.Name }

// authorities reads the names that clients call.
func (r *reader) authorities() []string {
	names := r.list(authoritiesKey, 1, dnsName, "a list of DNS names in lower case, such as [grpc.example.com]")
	for i, name := range names {
		if first := slices.Index(names, name); first < i {
			r.report(authoritiesKey, "[%d] is %q, as [%d] is; remove one of them", i, name, first)
		}
	}
	return names
}

// zonePattern matches the name of a zone, alone or with its project (Cloud DNS API,
// ManagedZone: 1 to 63 characters, a letter first, a letter or digit last).
var zonePattern = regexp.MustCompile(`^(?:projects/([a-z][a-z0-9-]{4,28}[a-z0-9])/managedZones/)?([a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)$`)

// dnsZone reads the zone. It is in the project of the stack unless its name includes
// another.
func (r *reader) dnsZone(project string) DNSZone {
	value, ok := r.text(dnsZoneKey)
	if !ok || value == "" {
		return DNSZone{}
	}
	parts := zonePattern.FindStringSubmatch(value)
	if parts == nil {
		r.refuse(dnsZoneKey, value, "the name of a managed zone of Cloud DNS, such as example-com, projects/PROJECT/managedZones/ZONE for one in another project, or empty")
		return DNSZone{}
	}
	return DNSZone{Project: cmp.Or(parts[1], project), Name: parts[2]}
}
