package main

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"time"

	"google.golang.org/api/cloudkms/v1"

	"example.com/grpc-edge/internal/deliverynames"
)

// keyRole is a role that may create and change keys, but not use them.
const keyRole = "roles/cloudkms.admin"

const (
	// rotation is the period that Google recommends for symmetric keys ("Key rotation").
	// Data encrypted with older versions stays readable.
	rotation = 90 * 24 * time.Hour
	// destroyDelay is Cloud KMS's own default. Until then the destruction of a version,
	// and with it of every secret of the stack, can be cancelled.
	destroyDelay = 30 * 24 * time.Hour
)

func (b *bootstrap) ringPlace() string {
	return fmt.Sprintf("projects/%s/locations/%s", b.project, b.region)
}
func (b *bootstrap) ringName() string { return b.ringPlace() + "/keyRings/" + deliverynames.KeyRing }
func (b *bootstrap) keyName() string  { return deliverynames.Key(b.project, b.region, b.stack) }

// secretsProvider returns Pulumi's URL of the key.
func (b *bootstrap) secretsProvider() string { return "gcpkms://" + b.keyName() }

// planKey compares the key ring and the key with their required state.
func (b *bootstrap) planKey(ctx context.Context) ([]step, error) {
	newRing := step{sign: "+", text: fmt.Sprintf("key ring %s in %s, which cannot be deleted again", deliverynames.KeyRing, b.region), do: b.createRing}
	newKey := step{sign: "+", text: fmt.Sprintf("key %s in it: for Pulumi's secrets, a new version every %d days", b.stack, int(rotation.Hours())/24), do: b.createKey}
	if b.isOff(kmsAPI) {
		newRing.note, newKey.note = unseen, unseen
		return []step{newRing, newKey}, nil
	}
	err := b.call(ctx, "reading the key ring "+deliverynames.KeyRing, keyRole, func() error {
		_, err := b.rings.Get(b.ringName()).Context(ctx).Do()
		return err
	})
	if answered(err, http.StatusNotFound) {
		return []step{newRing, newKey}, nil
	}
	if err != nil {
		return nil, err
	}
	var key *cloudkms.CryptoKey
	err = b.call(ctx, "reading the key "+b.stack, keyRole, func() (err error) {
		key, err = b.keys.Get(b.keyName()).Context(ctx).Do()
		return err
	})
	old := step{sign: "=", text: fmt.Sprintf("key ring %s in %s", deliverynames.KeyRing, b.region)}
	if answered(err, http.StatusNotFound) {
		return []step{old, newKey}, nil
	}
	if err != nil {
		return nil, err
	}
	steps, err := b.compareKey(key)
	return append([]step{old}, steps...), err
}

func (b *bootstrap) compareKey(key *cloudkms.CryptoKey) ([]step, error) {
	if key.Purpose != "ENCRYPT_DECRYPT" {
		return nil, fmt.Errorf("the key %s is for %s, which cannot be changed: Pulumi needs one for ENCRYPT_DECRYPT. Give the stack another name", key.Name, key.Purpose)
	}
	if key.Primary == nil || key.Primary.State != "ENABLED" {
		state, version := "missing", "VERSION"
		if key.Primary != nil {
			state, version = key.Primary.State, path.Base(key.Primary.Name)
		}
		return nil, fmt.Errorf("the primary version of the key %s is %s: secrets of the stack cannot be read. If that is not meant: gcloud kms keys versions enable %s --key %s --keyring %s --location %s --project %s (`restore` before `enable` if it is DESTROY_SCHEDULED)", key.Name, state, version, b.stack, deliverynames.KeyRing, b.region, b.project)
	}
	steps := []step{{sign: "=", text: fmt.Sprintf("key %s in it", b.stack)}}
	if has, err := time.ParseDuration(key.RotationPeriod); err != nil || has > rotation {
		was := "never"
		if err == nil {
			was = fmt.Sprintf("every %d days", int(has.Hours())/24)
		}
		steps = append(steps, step{sign: "~", text: fmt.Sprintf("key %s: a new version: %s → every %d days", b.stack, was, int(rotation.Hours())/24), do: b.rotateKey})
	}
	return steps, nil
}

func (b *bootstrap) createRing(ctx context.Context) error {
	return b.call(ctx, "creating the key ring "+deliverynames.KeyRing, keyRole, func() error {
		_, err := b.rings.Create(b.ringPlace(), &cloudkms.KeyRing{}).KeyRingId(deliverynames.KeyRing).Context(ctx).Do()
		return err
	})
}

func (b *bootstrap) createKey(ctx context.Context) error {
	key := rotated()
	key.Purpose = "ENCRYPT_DECRYPT"
	key.DestroyScheduledDuration = seconds(destroyDelay)
	return b.call(ctx, "creating the key "+b.stack, keyRole, func() error {
		_, err := b.keys.Create(b.ringName(), key).CryptoKeyId(b.stack).Context(ctx).Do()
		return err
	})
}

func (b *bootstrap) rotateKey(ctx context.Context) error {
	return b.call(ctx, "changing the key "+b.stack, keyRole, func() error {
		_, err := b.keys.Patch(b.keyName(), rotated()).UpdateMask("rotationPeriod,nextRotationTime").Context(ctx).Do()
		return err
	})
}

// rotated returns a key with a rotation. Cloud KMS also needs the time of the first one.
func rotated() *cloudkms.CryptoKey {
	return &cloudkms.CryptoKey{
		RotationPeriod:   seconds(rotation),
		NextRotationTime: time.Now().Add(rotation).UTC().Format(time.RFC3339),
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d.Seconds())) }

// mayUseKey reports whether the caller may encrypt and decrypt. The creator of a key is
// not always allowed to.
func (b *bootstrap) mayUseKey(ctx context.Context) (bool, error) {
	needed := []string{"cloudkms.cryptoKeyVersions.useToDecrypt", "cloudkms.cryptoKeyVersions.useToEncrypt"}
	var granted *cloudkms.TestIamPermissionsResponse
	err := b.call(ctx, "looking at your rights on the key "+b.stack, keyRole, func() (err error) {
		granted, err = b.keys.TestIamPermissions(b.keyName(), &cloudkms.TestIamPermissionsRequest{Permissions: needed}).Context(ctx).Do()
		return err
	})
	if err != nil {
		return false, err
	}
	slices.Sort(granted.Permissions)
	return slices.Equal(granted.Permissions, needed), nil
}
