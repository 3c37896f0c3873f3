package gcp

import (
	"context"
	"strings"
	"testing"
)

func TestSubnetworkKeepsRangesInUse(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	without := with(subnetConfig, Properties{"secondaryIpRanges": subnetConfig["secondaryIpRanges"].([]any)[1:]})
	_, err := c.Update(context.Background(), subnetName, here, without)
	if want := subnetName + "/pods' is already being used by '" + clusterPath; !strings.Contains(errorText(err), want) {
		t.Errorf("Update = %v, want %q", err, want)
	}
	more := with(subnetConfig, Properties{"ipCidrRange": "10.0.0.0/19", "privateIpGoogleAccess": true})
	o, err := c.Update(context.Background(), subnetName, here, more)
	if err != nil || o.Properties().str("ipCidrRange") != "10.0.0.0/19" || !o.Properties().boolean("privateIpGoogleAccess") {
		t.Errorf("Update = %v, %v, want the new range and access", o.Properties(), err)
	}
}
