// Package secretmanager emulates Secret Manager: who may use a secret, and its versions.
package gcp

// The kinds of object.
const (
	KindSecretMember Kind = "secretmanager.googleapis.com/IamMember"
)

// API returns the API.
func API_secretmanager() API {
	return API{
		Titles: map[string]string{"secretmanager.googleapis.com": "Secret Manager API"},
		Kinds:  []*rule{secretMemberRule},
	}
}
