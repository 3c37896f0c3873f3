// Package serviceusage emulates Service Usage: which APIs a project has enabled, and the agents of
// their services.
package gcp

// The kinds of object.
const (
	KindServiceIdentity Kind = "serviceusage.googleapis.com/ServiceIdentity"
)

// API returns the API.
func API_serviceusage() API {
	return API{
		Kinds: []*rule{serviceRule, serviceIdentityRule},
	}
}
