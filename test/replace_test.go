package test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inPlace holds keys whose change replaces nothing in Google Cloud or in the cluster.
const inPlace = `
  grpc-edge:labels: {team: edge}
  grpc-edge:imageRetentionDays: 7
  grpc-edge:imageKeepVersions: 5
  grpc-edge:imageScanning: true
  grpc-edge:binaryAuthorization: true
  grpc-edge:releaseChannel: STABLE
  grpc-edge:maintenanceWindow: {start: "2026-01-04T02:00:00Z", hours: 6, recurrence: "FREQ=WEEKLY;BYDAY=SU,MO"}
  grpc-edge:logging: [SYSTEM_COMPONENTS]
  grpc-edge:securityPosture: false
  grpc-edge:nodeMachineType: n2-standard-4
  grpc-edge:nodeCountMax: 3
  grpc-edge:nodeDiskGb: 100
  grpc-edge:nat: true
  grpc-edge:alertEmails: [a@example.com]
  grpc-edge:alertErrorPercent: 9
  grpc-edge:envoyReplicas: 3
  grpc-edge:serviceReplicas: 3
`

// replacing holds keys that cannot change in place, with the resources of Google Cloud that
// a change replaces. A replaced cluster also replaces all that runs in it.
var replacing = map[string][]string{
	"grpc-edge:nodeSpot: true":                  {"cluster-nodes"},
	"grpc-edge:controlPlaneCidr: 172.16.1.0/28": {"cluster", "cluster-nodes"},
	"grpc-edge:nodesCidr: 10.64.0.0/20":         {"cluster", "cluster-nodes", "network-nodes"},
}

// replaceOnlyWhatMust previews changes of keys with the real engine.
func replaceOnlyWhatMust(ctx context.Context, t *testing.T, c checkout) {
	if cloud, cluster := replaced(ctx, t, c, inPlace); len(cloud) > 0 || len(cluster) > 0 {
		t.Errorf("what must change in place would be replaced: %q, and in the cluster %q", cloud, cluster)
	}
	for change, want := range replacing {
		cloud, cluster := replaced(ctx, t, c, "\n  "+change+"\n")
		if !slices.Equal(cloud, want) {
			t.Errorf("%s replaces %q, want %q", change, cloud, want)
		}
		if moves := slices.Contains(want, "cluster"); moves != slices.Contains(cluster, "echo") {
			t.Errorf("%s replaces in the cluster %q", change, cluster)
		}
	}
}

// replaced returns the sorted names of the resources that a preview with more config
// replaces: in Google Cloud, and in the cluster.
func replaced(ctx context.Context, t *testing.T, c checkout, more string) (cloud, cluster []string) {
	t.Helper()
	file := filepath.Join(c.dir, "Pulumi.sandbox.yaml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, c, "Pulumi.sandbox.yaml", more)
	out, err := c.pulumi(ctx, t, "preview", "--json", "--stack", "sandbox")
	if restored := os.WriteFile(file, before, 0o600); restored != nil || err != nil {
		t.Fatal(err, restored)
	}
	var preview struct{ Steps []struct{ Op, URN string } }
	if err := json.Unmarshal([]byte(out), &preview); err != nil {
		t.Fatal(err)
	}
	in := map[string]map[string]bool{"gcp": {}, "kubernetes": {}}
	for _, step := range preview.Steps {
		parts := strings.Split(step.URN, "::")
		types := strings.Split(parts[2], "$")
		provider, _, _ := strings.Cut(types[len(types)-1], ":")
		if strings.HasPrefix(step.Op, "replace") || strings.HasSuffix(step.Op, "-replacement") || step.Op == "delete" {
			if names := in[provider]; names != nil {
				names[parts[3]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(in["gcp"])), slices.Sorted(maps.Keys(in["kubernetes"]))
}
