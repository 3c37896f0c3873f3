package gcp

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strings"
	"time"
)

// Change describes one change of an object from old to new. old is nil when the object is being
// created, new is nil when it is being deleted.
type Change struct {
	View
	at       Place
	Old, New *Object
}

// Complete fills the Status of the new object: with what the cloud says, and
// with defaults for what the description leaves out.
func (t *Change) Complete(said, defaults Properties) {
	t.New.Status.Merge(said)
	for key, value := range defaults {
		if t.New.Config.Has(key) {
			delete(t.New.Status, key)
		} else if !t.New.Status.Has(key) {
			t.New.Status[key] = value
		}
	}
}

// AssignNumber gives the object a number of 19 digits once, as Compute Engine does.
func (t *Change) AssignNumber(key string) {
	if !t.New.Status.Has(key) {
		t.New.Status[key] = RandomDigits(19)
	}
}

// Stamp records once when the object was created.
func (t *Change) Stamp(key string) {
	if !t.New.Status.Has(key) {
		t.New.Status[key] = t.Now().UTC().Format(time.RFC3339Nano)
	}
}

// Updated records when the object was last changed.
func (t *Change) Updated() {
	delete(t.New.Status, "updateTime")
	t.Stamp("updateTime")
}

// Fingerprint returns a new random fingerprint, which an object gets with each version
// ("Fingerprints", Compute Engine API).
func Fingerprint() string {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

// RandomDigits returns a random number of n digits that does not start with 0.
func RandomDigits(n int64) string {
	low := new(big.Int).Exp(big.NewInt(10), big.NewInt(n-1), nil)
	number, err := rand.Int(rand.Reader, new(big.Int).Mul(low, big.NewInt(9)))
	if err != nil {
		panic("crypto/rand never fails: " + err.Error())
	}
	return number.Add(number, low).String()
}

// LookUp returns the object a property refers to, by its name, its full name or
// its self link. Short names are looked for in the place of the referring object.
func (t *Change) LookUp(kind Kind, ref string) (*Object, error) {
	if i := strings.Index(ref, "projects/"); i >= 0 {
		return t.ExistingOf(kind, ref[i:])
	}
	at := t.at
	at.Project = cmp.Or(t.New.Project(), at.Project)
	at.Region = cmp.Or(RegionOf(cmp.Or(t.New.Status.Text("region"), t.New.Status.Text("location"))), at.Region)
	name, _, err := t.cloud.locate(kind, at, Properties{"name": ref})
	if err != nil {
		return nil, err
	}
	return t.ExistingOf(kind, name)
}
