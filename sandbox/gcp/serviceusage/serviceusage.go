// Package serviceusage emulates Service Usage: which APIs a project has enabled, and the agents of
// their services.
package serviceusage

import "example.com/grpc-edge/sandbox/gcp"

// KindServiceIdentity is the agent of a service; the kind of an API is [gcp.KindService].
const KindServiceIdentity gcp.Kind = "serviceusage.googleapis.com/ServiceIdentity"

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Kinds: []*gcp.Resource{serviceResource, serviceIdentityResource},
	}
}
