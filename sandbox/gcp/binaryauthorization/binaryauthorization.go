// Package binaryauthorization emulates Binary Authorization, with the part of Container Analysis that
// it reads: which images a cluster may run, and who attests them.
package binaryauthorization

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object that the API has.
const (
	KindAdmissionPolicy gcp.Kind = "binaryauthorization.googleapis.com/Policy"
	KindAttestor        gcp.Kind = "binaryauthorization.googleapis.com/Attestor"
	KindNote            gcp.Kind = "containeranalysis.googleapis.com/Note"
	KindOccurrence      gcp.Kind = "containeranalysis.googleapis.com/Occurrence"
)

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"binaryauthorization.googleapis.com": "Binary Authorization API", "containeranalysis.googleapis.com": "Container Analysis API"},
		Kinds:  []*gcp.Resource{admissionPolicyResource, attestorResource, noteResource, occurrenceResource},
	}
}
