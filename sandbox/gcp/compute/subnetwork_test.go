package compute_test

import (
	"context"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

func TestSubnetworkKeepsRangesInUse(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	without := gcptest.With(gcptest.SubnetConfig, gcp.Properties{"secondaryIpRanges": gcptest.SubnetConfig["secondaryIpRanges"].([]any)[1:]})
	_, err := c.Update(context.Background(), gcptest.SubnetworkName, gcptest.Here, without)
	if want := gcptest.SubnetworkName + "/pods' is already being used by '" + gcptest.ClusterName; !strings.Contains(gcptest.ErrorText(err), want) {
		t.Errorf("Update = %v, want %q", err, want)
	}
	more := gcptest.With(gcptest.SubnetConfig, gcp.Properties{"ipCidrRange": "10.0.0.0/19", "privateIpGoogleAccess": true})
	o, err := c.Update(context.Background(), gcptest.SubnetworkName, gcptest.Here, more)
	if err != nil || o.Properties().Text("ipCidrRange") != "10.0.0.0/19" || !o.Properties().Bool("privateIpGoogleAccess") {
		t.Errorf("Update = %v, %v, want the new range and access", o.Properties(), err)
	}
}
