package gcp

import (
	"context"
	"strings"
	"testing"
)

const zoneName = "projects/dns-project/managedZones/example-com"

var recordConfig = Properties{
	"project": "dns-project", "managedZone": "example-com", "name": "grpc.example.com.", "type": "A", "ttl": 300, "rrdatas": []any{"203.0.113.10"},
}

func TestRecordSets(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	if _, err := c.Create(context.Background(), KindRecordSet, here, recordConfig); code(err) != 403 || !strings.Contains(err.Error(), "Cloud DNS API has not been used in project "+ProjectNumber("test-project")) {
		t.Errorf("without the API in the caller's project: %v, want to be told so", err)
	}
	create(t, c, KindService, Properties{"service": "dns.googleapis.com"})
	o := create(t, c, KindRecordSet, recordConfig)
	if want := zoneName + "/rrsets/grpc.example.com./A"; o.Name != want {
		t.Errorf("the record is called %s, want %s", o.Name, want)
	}
	if again := create(t, c, KindRecordSet, with(recordConfig, Properties{"rrdatas": []any{"203.0.113.11"}})); again.Config.strings("rrdatas")[0] != "203.0.113.11" {
		t.Errorf("a record that is there already has %v, want it to be replaced", again.Config["rrdatas"])
	}
	create(t, c, KindRecordSet, with(recordConfig, Properties{"name": "example.com."}))
	for _, test := range []struct {
		change Properties
		code   int
		said   string
	}{
		{Properties{"managedZone": "example-org"}, 404, "'parameters.managedZone' resource named 'example-org' does not exist"},
		{Properties{"name": "grpc.example.org."}, 400, "Invalid value for 'entity.change.additions[0].name': 'grpc.example.org.'"},
		{Properties{"name": "badexample.com."}, 400, "entity.change.additions[0].name"},
		{Properties{"name": "grpc.example.com"}, 400, "final dot"},
		{Properties{"rrdatas": []any{"2001:db8::1"}}, 400, "is not an IPv4 address"},
		{Properties{"rrdatas": []any{}}, 400, "rrdata"},
		{Properties{"type": "TXT"}, 400, "is not one of A, CNAME"},
	} {
		if _, err := c.Create(context.Background(), KindRecordSet, here, with(recordConfig, test.change)); code(err) != test.code || !strings.Contains(err.Error(), test.said) {
			t.Errorf("%v: %v, want %d with %q", test.change, err, test.code, test.said)
		}
	}
	remove(t, c, o.Name)
}

func TestManagedZone(t *testing.T) {
	t.Parallel()
	c, ctx := guarded(t)
	if _, err := ManagedZone(ctx, c, "test-project", "projects/test-project/managedZones/example-com"); code(err) != 403 || !strings.Contains(err.Error(), "'dns.managedZones.get'") {
		t.Errorf("without the permission: %v, want a refusal that names it", err)
	}
	ctx = context.Background()
	if _, err := ManagedZone(ctx, c, "other-project", zoneName); code(err) != 403 || !strings.Contains(err.Error(), "Cloud DNS API has not been used") {
		t.Errorf("without the API: %v, want to be told so", err)
	}
	if domain, err := ManagedZone(ctx, c, "test-project", zoneName); err != nil || domain != "example.com." {
		t.Errorf("ManagedZone() = %q, %v", domain, err)
	}
	if _, err := ManagedZone(ctx, c, "test-project", "projects/dns-project/managedZones/nowhere"); !IsNotFound(err) {
		t.Errorf("a zone that is not there: %v, want 404", err)
	}
}
