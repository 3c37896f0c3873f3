// Package cloudbuild emulates the triggers of Cloud Build.
package gcp

// The kinds of object.
const (
	KindTrigger Kind = "cloudbuild.googleapis.com/BuildTrigger"
)

// API returns the API.
func API_cloudbuild() API {
	return API{
		Titles: map[string]string{"cloudbuild.googleapis.com": "Cloud Build API"},
		Kinds:  []*rule{triggerRule},
	}
}
