package gcp

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strings"
	"time"
)

// change describes one change of an object from old to new. old is nil when the object is being
// created, new is nil when it is being deleted.
type change struct {
	View
	at       Place
	old, new *Object
}

// complete fills the Status of the new object: with what the cloud says, and
// with defaults for what the description leaves out.
func (t *change) complete(said, defaults Properties) {
	t.new.Status.merge(said)
	for key, value := range defaults {
		if t.new.Config.has(key) {
			delete(t.new.Status, key)
		} else if !t.new.Status.has(key) {
			t.new.Status[key] = value
		}
	}
}

// assignNumber gives the object a number of 19 digits once, as Compute Engine does.
func (t *change) assignNumber(key string) {
	if !t.new.Status.has(key) {
		t.new.Status[key] = digits(19)
	}
}

// stamp records once when the object was created.
func (t *change) stamp(key string) {
	if !t.new.Status.has(key) {
		t.new.Status[key] = t.now().UTC().Format(time.RFC3339Nano)
	}
}

// updated records when the object was last changed.
func (t *change) updated() {
	delete(t.new.Status, "updateTime")
	t.stamp("updateTime")
}

// fingerprint returns a new random fingerprint, which an object gets with each version
// ("Fingerprints", Compute Engine API).
func fingerprint() string {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

// digits returns a random number of n digits that does not start with 0.
func digits(n int64) string {
	low := new(big.Int).Exp(big.NewInt(10), big.NewInt(n-1), nil)
	number, err := rand.Int(rand.Reader, new(big.Int).Mul(low, big.NewInt(9)))
	if err != nil {
		panic("crypto/rand never fails: " + err.Error())
	}
	return number.Add(number, low).String()
}

// lookUp returns the object a property refers to, by its name, its full name or
// its self link. Short names are looked for in the place of the referring object.
func (t *change) lookUp(kind Kind, ref string) (*Object, error) {
	if i := strings.Index(ref, "projects/"); i >= 0 {
		return t.existingOf(kind, ref[i:])
	}
	at := t.at
	at.Project = cmp.Or(t.new.project(), at.Project)
	at.Region = cmp.Or(regionOf(cmp.Or(t.new.Status.str("region"), t.new.Status.str("location"))), at.Region)
	name, _, err := t.cloud.locate(kind, at, Properties{"name": ref})
	if err != nil {
		return nil, err
	}
	return t.existingOf(kind, name)
}
