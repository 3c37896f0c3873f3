package dns_test

import (
	"context"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/dns"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

func TestPrivateZones(t *testing.T) {
	t.Parallel()
	c, _ := gcptest.Guarded(t)
	network := gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "main", "autoCreateSubnetworks": false})
	config := gcp.Properties{
		"name": "googleapis", "dnsName": "googleapis.com.", "visibility": "private",
		"privateVisibilityConfig": gcp.Properties{"networks": []any{gcp.Properties{"networkUrl": network.Name}}},
	}
	zone := gcptest.Create(t, c, dns.KindManagedZone, config)
	for _, test := range []struct {
		change gcp.Properties
		said   string
	}{
		{gcp.Properties{"name": "second"}, "has the zone 'googleapis' of the domain googleapis.com. already"},
		{gcp.Properties{"name": "second", "visibility": "public"}, "is not emulated"},
		{gcp.Properties{"name": "second", "dnsName": "googleapis.com"}, "final dot"},
		{gcp.Properties{"name": "second", "privateVisibilityConfig": gcp.Properties{}}, "needs a network"},
	} {
		if _, err := c.Create(context.Background(), dns.KindManagedZone, gcptest.Here, gcptest.With(config, test.change)); err == nil || !strings.Contains(err.Error(), test.said) {
			t.Errorf("%v: %v, want %q", test.change, err, test.said)
		}
	}
	record := gcptest.Create(t, c, dns.KindRecordSet, gcp.Properties{
		"managedZone": "googleapis", "name": "*.googleapis.com.", "type": "CNAME", "ttl": 300, "rrdatas": []any{"private.googleapis.com."},
	})
	if err := c.Delete(context.Background(), network.Name); err == nil || !strings.Contains(err.Error(), "in use") && !strings.Contains(err.Error(), "being used") {
		t.Errorf("deleting a network with a zone: %v, want a refusal", err)
	}
	gcptest.Remove(t, c, record.Name)
	gcptest.Remove(t, c, zone.Name)
}
