package main

import (
	"slices"
	"strings"
	"testing"
)

const recordType = "gcp:dns/recordSet:RecordSet"

// withZone holds two names, and a zone of another project for them.
var withZone = variant("dns")

// TestRecords checks that the records are created once the edge answers to the names.
func TestRecords(t *testing.T) {
	for zone, project := range map[string]string{
		"projects/dns-project/managedZones/example-com": "dns-project", "example-com": "sandbox-project",
	} {
		result := mustRun(t, "sandbox", false, with(withZone, map[string]string{"grpc-edge:dnsZone": zone}))
		for _, name := range []string{"grpc.example.com", "partners.example.com"} {
			check(t, result.named(t, recordType, "dns-"+name), map[string]any{
				"name": name + ".", "type": "A", "rrdatas": []any{"203.0.113.10"}, "managedZone": "example-com", "project": project,
			})
		}
		if component := result.named(t, "grpc-edge:dns:Records", "dns"); !slices.Contains(component.DependsOn, "kubernetes:core/v1:Service edge") {
			t.Errorf("the records depend on %v, want the load balancer of the edge among it", component.DependsOn)
		}
	}
}

// TestNamesOutsideTheZone checks that all names outside the zone are refused together,
// before any record is created. A preview before the API is enabled cannot know them.
func TestNamesOutsideTheZone(t *testing.T) {
	result, err := run(t, "sandbox", false, with(withZone, map[string]string{
		"grpc-edge:authorities": `["grpc.example.com", "example.com", "badexample.com", "grpc.example.org"]`,
	}))
	want := "grpc-edge:dnsZone projects/dns-project/managedZones/example-com has the domain example.com, " +
		"which does not contain badexample.com, grpc.example.org of grpc-edge:authorities"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want %q", err, want)
	}
	for _, r := range result.resources {
		if r.Type == recordType {
			t.Errorf("%s is made", r.Name)
		}
	}
}
