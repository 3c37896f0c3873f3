package kms

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"example.com/grpc-edge/sandbox/gcp"
)

// Like keys that encrypt, a version of a key for signing exists without being created. Its
// algorithm is EC_SIGN_P256_SHA256. Its private key is created at its first use, in its own file
// beside the state.

// keyVersion matches a version's name ("Resource IDs", Cloud KMS). Its parts are safe as the
// name of a file.
var keyVersion = regexp.MustCompile(`^(projects/[a-z0-9-]+/locations/[a-z0-9-]+/keyRings/[a-zA-Z0-9_-]{1,63}/cryptoKeys/[a-zA-Z0-9_-]{1,63})/cryptoKeyVersions/[1-9][0-9]*$`)

const kmsAPI = "cloudkms.googleapis.com"

// Keys holds the signing keys of a cloud.
type Keys struct{ *gcp.Cloud }

// SigningKey returns the public key of a version, PEM ("cryptoKeyVersions.get" and
// "cryptoKeyVersions.getPublicKey", Cloud KMS API), to the caller, see [gcp.As].
func (k Keys) SigningKey(ctx context.Context, version string) (string, error) {
	// Three calls: the version, its key for the purpose, and the public key
	// (kms/data_source_google_kms_crypto_key_version.go of the Terraform provider).
	key, err := k.keyFor(ctx, version, "cloudkms.cryptoKeyVersions.get", "cloudkms.cryptoKeys.get", "cloudkms.cryptoKeyVersions.viewPublicKey")
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}

// Sign signs a SHA-256 digest ("cryptoKeyVersions.asymmetricSign", Cloud KMS API): the
// signature is ASN.1 (RFC 5480), and differs each time.
func (k Keys) Sign(ctx context.Context, version string, digest []byte) ([]byte, error) {
	key, err := k.keyFor(ctx, version, "cloudkms.cryptoKeyVersions.useToSign")
	if err != nil {
		return nil, err
	}
	if len(digest) != 32 {
		return nil, gcp.BadRequest("The digest for EC_SIGN_P256_SHA256 must be of SHA-256, 32 bytes; got %d.", len(digest))
	}
	return ecdsa.SignASN1(rand.Reader, key, digest)
}

// keyFor returns the private key of a version to a caller with these permissions on the key or
// its project.
func (k Keys) keyFor(ctx context.Context, version string, permissions ...string) (*ecdsa.PrivateKey, error) {
	parts := keyVersion.FindStringSubmatch(version)
	if parts == nil {
		return nil, gcp.BadRequest("The resource name %q is not that of a key's version: "+
			"projects/*/locations/*/keyRings/*/cryptoKeys/*/cryptoKeyVersions/*.", version)
	}
	for _, permission := range permissions {
		if err := k.Permit(ctx, permission, parts[1]); err != nil {
			return nil, err
		}
	}
	v, done := k.View()
	defer done()
	if err := v.RequireAPI(kmsAPI, gcp.Segment(version, "projects")); err != nil {
		return nil, err
	}
	return k.privateKey(version)
}

// privateKey reads the key of a version, or makes it. A view must be held.
func (k Keys) privateKey(version string) (*ecdsa.PrivateKey, error) {
	file := k.KeyFile(version)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the emulated key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("reading the emulated key: %s is not PEM", file)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func makeKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, gcp.KeepKey(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}
