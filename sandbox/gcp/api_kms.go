// Package kms emulates Cloud KMS: who may use a key, and keys that sign.
package gcp

// The kinds of object.
const (
	KindCryptoKeyMember Kind = "cloudkms.googleapis.com/IamMember"
)

// API returns the API.
func API_kms() API {
	return API{
		Titles: map[string]string{"cloudkms.googleapis.com": "Cloud Key Management Service (KMS) API"},
		Kinds:  []*rule{cryptoKeyMemberRule},
	}
}
