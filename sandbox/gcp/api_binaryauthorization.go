// Package binaryauthorization emulates Binary Authorization, with the part of Container Analysis that
// it reads: which images a cluster may run, and who attests them.
package gcp

// The kinds of object.
const (
	KindAdmissionPolicy Kind = "binaryauthorization.googleapis.com/Policy"
	KindAttestor        Kind = "binaryauthorization.googleapis.com/Attestor"
	KindNote            Kind = "containeranalysis.googleapis.com/Note"
	KindOccurrence      Kind = "containeranalysis.googleapis.com/Occurrence"
)

// API returns the API.
func API_binaryauthorization() API {
	return API{
		Titles: map[string]string{"binaryauthorization.googleapis.com": "Binary Authorization API", "containeranalysis.googleapis.com": "Container Analysis API"},
		Kinds:  []*rule{admissionPolicyRule, attestorRule, noteRule, occurrenceRule},
	}
}
