// Package dns emulates Cloud DNS: private zones, and records of a public one.
package dns

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object that the API has.
const (
	KindManagedZone gcp.Kind = "dns.googleapis.com/ManagedZone"
	KindRecordSet   gcp.Kind = "dns.googleapis.com/ResourceRecordSet"
)

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"dns.googleapis.com": "Cloud DNS API"},
		Kinds:  []*gcp.Resource{managedZoneResource, recordSetResource},
	}
}
