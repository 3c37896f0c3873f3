// Package privateca emulates Certificate Authority Service: certificates of a pool.
package privateca

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object.
const (
	KindCertificate gcp.Kind = "privateca.googleapis.com/Certificate"
)

// API returns the API.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"privateca.googleapis.com": "Certificate Authority API"},
		Kinds:  []*gcp.Rule{certificateRule},
	}
}
