package dns_test

import (
	"context"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/dns"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

const zoneName = "projects/dns-project/managedZones/example-com"

var recordConfig = gcp.Properties{
	"project": "dns-project", "managedZone": "example-com", "name": "grpc.example.com.", "type": "A", "ttl": 300, "rrdatas": []any{"203.0.113.10"},
}

func TestRecordSets(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	if _, err := c.Create(context.Background(), dns.KindRecordSet, gcptest.Here, recordConfig); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "Cloud DNS API has not been used in project "+gcp.ProjectNumber("test-project")) {
		t.Errorf("without the API in the caller's project: %v, want to be told so", err)
	}
	gcptest.Create(t, c, gcp.KindService, gcp.Properties{"service": "dns.googleapis.com"})
	o := gcptest.Create(t, c, dns.KindRecordSet, recordConfig)
	if want := zoneName + "/rrsets/grpc.example.com./A"; o.Name != want {
		t.Errorf("the record is called %s, want %s", o.Name, want)
	}
	if again := gcptest.Create(t, c, dns.KindRecordSet, gcptest.With(recordConfig, gcp.Properties{"rrdatas": []any{"203.0.113.11"}})); again.Config.Texts("rrdatas")[0] != "203.0.113.11" {
		t.Errorf("a record that is there already has %v, want it to be replaced", again.Config["rrdatas"])
	}
	gcptest.Create(t, c, dns.KindRecordSet, gcptest.With(recordConfig, gcp.Properties{"name": "example.com."}))
	gcptest.Create(t, c, dns.KindRecordSet, gcptest.With(recordConfig, gcp.Properties{"type": "AAAA", "rrdatas": []any{"2001:db8::1"}}))
	for _, test := range []struct {
		change gcp.Properties
		code   int
		said   string
	}{
		{gcp.Properties{"managedZone": "example-org"}, 404, "'parameters.managedZone' resource named 'example-org' does not exist"},
		{gcp.Properties{"name": "grpc.example.org."}, 400, "Invalid value for 'entity.change.additions[0].name': 'grpc.example.org.'"},
		{gcp.Properties{"name": "badexample.com."}, 400, "entity.change.additions[0].name"},
		{gcp.Properties{"name": "grpc.example.com"}, 400, "final dot"},
		{gcp.Properties{"rrdatas": []any{"2001:db8::1"}}, 400, "is not an IPv4 address"},
		{gcp.Properties{"type": "AAAA"}, 400, "is not an IPv6 address"},
		{gcp.Properties{"rrdatas": []any{}}, 400, "rrdata"},
		{gcp.Properties{"type": "TXT"}, 400, "is not one of A, AAAA, CNAME"},
	} {
		if _, err := c.Create(context.Background(), dns.KindRecordSet, gcptest.Here, gcptest.With(recordConfig, test.change)); gcptest.Code(err) != test.code || !strings.Contains(err.Error(), test.said) {
			t.Errorf("%v: %v, want %d with %q", test.change, err, test.code, test.said)
		}
	}
	gcptest.Remove(t, c, o.Name)
}

func TestManagedZone(t *testing.T) {
	t.Parallel()
	c, ctx := gcptest.Guarded(t)
	if _, err := dns.ManagedZone(ctx, c, "test-project", "projects/test-project/managedZones/example-com"); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "'dns.managedZones.get'") {
		t.Errorf("without the permission: %v, want a refusal that names it", err)
	}
	ctx = context.Background()
	if _, err := dns.ManagedZone(ctx, c, "other-project", zoneName); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "Cloud DNS API has not been used") {
		t.Errorf("without the API: %v, want to be told so", err)
	}
	if domain, err := dns.ManagedZone(ctx, c, "test-project", zoneName); err != nil || domain != "example.com." {
		t.Errorf("ManagedZone() = %q, %v", domain, err)
	}
	if _, err := dns.ManagedZone(ctx, c, "test-project", "projects/dns-project/managedZones/nowhere"); !gcp.IsNotFound(err) {
		t.Errorf("a zone that is not there: %v, want 404", err)
	}
}
