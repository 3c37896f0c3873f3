package gcp

import (
	"context"
	"strings"
	"testing"
)

func TestPrivateZones(t *testing.T) {
	t.Parallel()
	c, _ := guarded(t)
	network := create(t, c, KindNetwork, Properties{"name": "main", "autoCreateSubnetworks": false})
	config := Properties{
		"name": "googleapis", "dnsName": "googleapis.com.", "visibility": "private",
		"privateVisibilityConfig": Properties{"networks": []any{Properties{"networkUrl": network.Name}}},
	}
	zone := create(t, c, KindManagedZone, config)
	for _, test := range []struct {
		change Properties
		said   string
	}{
		{Properties{"name": "second"}, "has the zone 'googleapis' of the domain googleapis.com. already"},
		{Properties{"name": "second", "visibility": "public"}, "is not emulated"},
		{Properties{"name": "second", "dnsName": "googleapis.com"}, "final dot"},
		{Properties{"name": "second", "privateVisibilityConfig": Properties{}}, "needs a network"},
	} {
		if _, err := c.Create(context.Background(), KindManagedZone, here, with(config, test.change)); err == nil || !strings.Contains(err.Error(), test.said) {
			t.Errorf("%v: %v, want %q", test.change, err, test.said)
		}
	}
	record := create(t, c, KindRecordSet, Properties{
		"managedZone": "googleapis", "name": "*.googleapis.com.", "type": "CNAME", "ttl": 300, "rrdatas": []any{"private.googleapis.com."},
	})
	if err := c.Delete(context.Background(), network.Name); err == nil || !strings.Contains(err.Error(), "in use") && !strings.Contains(err.Error(), "being used") {
		t.Errorf("deleting a network with a zone: %v, want a refusal", err)
	}
	remove(t, c, record.Name)
	remove(t, c, zone.Name)
}
