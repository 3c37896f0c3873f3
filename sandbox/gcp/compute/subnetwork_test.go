package compute_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
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

// TestSubnetworkBecomesDualStack changes a subnet that a cluster uses.
func TestSubnetworkBecomesDualStack(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	dual := gcp.Properties{"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}
	gcptest.Create(t, c, compute.KindSubnetwork, gcptest.With(dual, gcp.Properties{"name": "other", "network": "net", "ipCidrRange": "10.32.0.0/20"}))
	o, err := c.Update(context.Background(), gcptest.SubnetworkName, gcptest.Here, gcptest.With(gcptest.SubnetConfig, dual))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"stackType": "IPV4_IPV6", "externalIpv6Prefix": "2001:db8:0:1::/64", "ipv6GceEndpoint": "VM_AND_FR"} {
		if got := o.Properties().Text(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for i, want := range []string{"2001:db8:0:1:8000::", "2001:db8:0:1:8000:1::"} {
		address := gcptest.Create(t, c, compute.KindAddress, gcp.Properties{"name": fmt.Sprint("a", i), "ipVersion": "IPV6", "ipv6EndpointType": "NETLB", "subnetwork": "sub"})
		if got := address.Properties(); got.Text("address") != want || got.Int("prefixLength") != 96 {
			t.Errorf("address = %v, want %s/96", got, want)
		}
	}
	_, err = c.Update(context.Background(), gcptest.SubnetworkName, gcptest.Here, gcptest.With(gcptest.SubnetConfig, gcp.Properties{"stackType": "IPV4_IPV6", "ipv6AccessType": "INTERNAL"}))
	if !strings.Contains(gcptest.ErrorText(err), "cannot be changed") {
		t.Errorf("another access type: %v, want a refusal", err)
	}
}
