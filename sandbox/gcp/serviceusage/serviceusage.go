// Package serviceusage emulates Service Usage: which APIs a project has enabled, and the agents of
// their services.
package serviceusage

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object.
const (
	KindServiceIdentity gcp.Kind = "serviceusage.googleapis.com/ServiceIdentity"
)

// API returns the API.
func API() gcp.API {
	return gcp.API{
		Kinds: []*gcp.Rule{serviceRule, serviceIdentityRule},
	}
}
