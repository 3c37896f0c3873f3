// Package cloudbuild emulates the triggers of Cloud Build.
package cloudbuild

import "example.com/grpc-edge/sandbox/gcp"

// KindTrigger is the kind of object that the API has.
const KindTrigger gcp.Kind = "cloudbuild.googleapis.com/BuildTrigger"

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"cloudbuild.googleapis.com": "Cloud Build API"},
		Kinds:  []*gcp.Resource{triggerResource},
	}
}
