// Package privateca emulates Certificate Authority Service: certificates of a pool.
package gcp

// The kinds of object.
const (
	KindCertificate Kind = "privateca.googleapis.com/Certificate"
)

// API returns the API.
func API_privateca() API {
	return API{
		Titles: map[string]string{"privateca.googleapis.com": "Certificate Authority API"},
		Kinds:  []*rule{certificateRule},
	}
}
