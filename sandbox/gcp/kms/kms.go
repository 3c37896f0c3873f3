// Package kms emulates Cloud KMS: who may use a key, and keys that sign.
package kms

import "example.com/grpc-edge/sandbox/gcp"

// KindCryptoKeyMember is the kind of object that the API has.
const KindCryptoKeyMember gcp.Kind = "cloudkms.googleapis.com/IamMember"

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"cloudkms.googleapis.com": "Cloud Key Management Service (KMS) API"},
		Kinds:  []*gcp.Resource{cryptoKeyMemberResource},
	}
}
