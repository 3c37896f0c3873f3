// Package secretmanager emulates Secret Manager: who may use a secret, and its versions.
package secretmanager

import "example.com/grpc-edge/sandbox/gcp"

// KindSecretMember is the kind of object that the API has.
const KindSecretMember gcp.Kind = "secretmanager.googleapis.com/IamMember"

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"secretmanager.googleapis.com": "Secret Manager API"},
		Kinds:  []*gcp.Resource{secretMemberResource},
	}
}
