// Package cloudbuild emulates the triggers of Cloud Build.
package cloudbuild

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object.
const (
	KindTrigger gcp.Kind = "cloudbuild.googleapis.com/BuildTrigger"
)

// API returns the API.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"cloudbuild.googleapis.com": "Cloud Build API"},
		Kinds:  []*gcp.Rule{triggerRule},
	}
}
