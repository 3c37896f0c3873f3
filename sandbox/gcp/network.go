package gcp

import (
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"time"
)

const computeBase = "https://www.googleapis.com/compute/v1/"

var networkRule = &rule{
	noun: "network", quota: quota{"NETWORKS", 5, ""},
	check: checkNetwork, admit: admitNetwork, build: nothing, raze: nothing,
}

func checkNetwork(p Properties) []Violation {
	c := &checker{p: p}
	c.name()
	c.oneOf("routingMode", "REGIONAL", "GLOBAL")
	c.oneOf("networkFirewallPolicyEnforcementOrder", "BEFORE_CLASSIC_FIREWALL", "AFTER_CLASSIC_FIREWALL")
	c.oneOf("bgpBestPathSelectionMode", "LEGACY", "STANDARD")
	c.between("mtu", 1300, 8896) // "Maximum transmission unit", VPC documentation
	return c.found
}

func admitNetwork(t *change) error {
	t.assignNumber("networkId")
	t.complete(Properties{
		"selfLink":  computeBase + t.new.Name,
		"numericId": t.new.Status.str("networkId"),
	}, Properties{
		"autoCreateSubnetworks": true, "routingMode": "REGIONAL", "mtu": 1460, "gatewayIpv4": "",
		"bgpAlwaysCompareMed": false, "bgpBestPathSelectionMode": "LEGACY", "bgpInterRegionCost": "",
		"internalIpv6Range": "", "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
	})
	return nil
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
