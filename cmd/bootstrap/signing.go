package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/api/cloudkms/v1"

	"example.com/grpc-edge/internal/deliverynames"
	"example.com/grpc-edge/internal/stackfile"
)

const (
	signingKeyEntry = "grpc-edge:signingKey"
	// signingAlgorithm is the algorithm that the stack's attestor accepts.
	signingAlgorithm = "EC_SIGN_P256_SHA256"
)

// signingName returns the ID of the key that signs the stack's images. It is in the key
// ring of the key for the stack's secrets.
func (b *bootstrap) signingName() string { return b.stack + "-images" }
func (b *bootstrap) signingKey() string {
	return b.ringName() + "/cryptoKeys/" + b.signingName()
}

// signingVersion returns the version of the signing key in the file of the stack, even if the file
// names another project. It returns "" if the file has none, or names another key.
func (b *bootstrap) signingVersion(f *stackfile.File) string {
	value := f.Value(signingKeyEntry)
	if _, version, ok := strings.Cut(value, "/keyRings/"+deliverynames.KeyRing+"/cryptoKeys/"+b.signingName()+"/cryptoKeyVersions/"); ok {
		return version
	}
	return ""
}

// planSigning compares the key that signs images, if the stack asks for it, with its required
// state. The key is not rotated: a new version has another public key, and the stack would
// need it.
func (b *bootstrap) planSigning(ctx context.Context, f *stackfile.File) ([]step, error) {
	if b.signingVersion(f) == "" {
		return nil, nil
	}
	name := b.signingName()
	fresh := step{sign: "+", text: fmt.Sprintf("key %s in it: signs images, %s", name, signingAlgorithm), do: b.createSigning}
	if b.isOff(kmsAPI) {
		fresh.note = unseen
		return []step{fresh}, nil
	}
	var key *cloudkms.CryptoKey
	err := b.call(ctx, "reading the key "+name, keyRole, func() (err error) {
		key, err = b.keys.Get(b.signingKey()).Context(ctx).Do()
		return err
	})
	switch {
	case answered(err, http.StatusNotFound):
		return []step{fresh}, nil
	case err != nil:
		return nil, err
	case key.Purpose != "ASYMMETRIC_SIGN" || key.VersionTemplate == nil || key.VersionTemplate.Algorithm != signingAlgorithm:
		return nil, fmt.Errorf("the key %s is not for ASYMMETRIC_SIGN with %s, which cannot be changed: give %s another key", key.Name, signingAlgorithm, signingKeyEntry)
	}
	return []step{{sign: "=", text: fmt.Sprintf("key %s in it", name)}}, nil
}

func (b *bootstrap) createSigning(ctx context.Context) error {
	key := &cloudkms.CryptoKey{
		Purpose:                  "ASYMMETRIC_SIGN",
		VersionTemplate:          &cloudkms.CryptoKeyVersionTemplate{Algorithm: signingAlgorithm, ProtectionLevel: "SOFTWARE"},
		DestroyScheduledDuration: seconds(destroyDelay),
	}
	return b.call(ctx, "creating the key "+b.signingName(), keyRole, func() error {
		_, err := b.keys.Create(b.ringName(), key).CryptoKeyId(b.signingName()).Context(ctx).Do()
		return err
	})
}
