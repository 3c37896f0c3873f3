// Package secretmanager emulates Secret Manager: who may use a secret, and its versions.
package secretmanager

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object.
const (
	KindSecretMember gcp.Kind = "secretmanager.googleapis.com/IamMember"
)

// API returns the API.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"secretmanager.googleapis.com": "Secret Manager API"},
		Kinds:  []*gcp.Rule{secretMemberRule},
	}
}
