// Package dns emulates Cloud DNS: private zones, and records of a public one.
package gcp

// The kinds of object.
const (
	KindManagedZone Kind = "dns.googleapis.com/ManagedZone"
	KindRecordSet   Kind = "dns.googleapis.com/ResourceRecordSet"
)

// API returns the API.
func API_dns() API {
	return API{
		Titles: map[string]string{"dns.googleapis.com": "Cloud DNS API"},
		Kinds:  []*rule{managedZoneRule, recordSetRule},
	}
}
