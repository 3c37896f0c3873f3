// Package privateca emulates Certificate Authority Service: certificates of a pool.
package privateca

import "example.com/grpc-edge/sandbox/gcp"

// KindCertificate is the kind of object that the API has.
const KindCertificate gcp.Kind = "privateca.googleapis.com/Certificate"

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"privateca.googleapis.com": "Certificate Authority API"},
		Kinds:  []*gcp.Resource{certificateResource},
	}
}
