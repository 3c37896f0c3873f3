package config

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inAutopilot returns the configuration of the sandbox's stack in Autopilot mode, with
// changes.
func inAutopilot(t *testing.T, changes map[string]string) map[string]string {
	t.Helper()
	values := sandbox(t, map[string]string{modeKey: "autopilot", "grpc-edge:clusterLocation": ""})
	maps.Copy(values, changes)
	return values
}

// TestAutopilotTakesDefaults checks that Autopilot accepts the defaults in Pulumi.yaml of the keys
// about nodes, since nobody chose them.
func TestAutopilotTakesDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(t, inAutopilot(t, map[string]string{"grpc-edge:nodeSpot": "true", "grpc-edge:nodeCount": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Cluster.Autopilot || !c.Cluster.Spot || c.Cluster.Location != "us-central1" {
		t.Errorf("cluster = %+v, want Autopilot, with spot machines, in the whole region", c.Cluster)
	}
	// The number of nodes is unknown, so no range is too small for it.
	if _, err := load(t, inAutopilot(t, map[string]string{"grpc-edge:podsCidr": "10.20.0.0/23"})); err != nil {
		t.Errorf("a small range of pods: %v", err)
	}
}

func TestAutopilotRefusesKeysOfNodes(t *testing.T) {
	t.Parallel()
	const but = ", but with grpc-edge:clusterMode autopilot "
	_, err := load(t, inAutopilot(t, map[string]string{
		"grpc-edge:clusterLocation": "us-central1-a", "grpc-edge:nodeMachineType": "n2-standard-4", "grpc-edge:nodeArchitecture": "arm64",
		"grpc-edge:nodeZones": `["us-central1-a","us-central1-b"]`, "grpc-edge:nodeCount": "2", "grpc-edge:nodeCountMax": "3",
		"grpc-edge:nodeDiskGb": "100", "grpc-edge:zoneAware": "true", "grpc-edge:logging": "[]",
	}))
	want := strings.Join([]string{
		`  grpc-edge:clusterLocation is "us-central1-a"` + but + `the cluster is always regional; remove it from the file of the stack`,
		`  grpc-edge:logging is "[]"; it must be a list with SYSTEM_COMPONENTS: an Autopilot cluster always has the logs of the system`,
		`  grpc-edge:nodeArchitecture is "arm64"` + but + `pods that ask for as little as these run on amd64; remove it from the file of the stack`,
		`  grpc-edge:nodeCount is "2"` + but + `GKE makes a node when a pod finds no place; remove it from the file of the stack`,
		`  grpc-edge:nodeCountMax is "3"` + but + `GKE makes a node when a pod finds no place; remove it from the file of the stack`,
		`  grpc-edge:nodeDiskGb is "100"` + but + `GKE chooses the disks; remove it from the file of the stack`,
		`  grpc-edge:nodeMachineType is "n2-standard-4"` + but + `GKE chooses the machines; remove it from the file of the stack`,
		`  grpc-edge:nodeZones is "[\"us-central1-a\",\"us-central1-b\"]"` + but + `GKE chooses the zones; remove it from the file of the stack`,
		`  grpc-edge:zoneAware is "true"` + but + `it is not known in which zones pods will be; remove it from the file of the stack`,
	}, "\n")
	if diff := cmp.Diff(want, message(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// TestAutopilotRaisesNoRequest checks the bounds of the resources that a service may request.
func TestAutopilotRaisesNoRequest(t *testing.T) {
	t.Parallel()
	const key, mode = "  services/shop/service.yaml ", "; with grpc-edge:clusterMode autopilot "
	tests := []struct{ spec, want string }{
		{"", ""},
		{"{cpu: 50m, memory: 52Mi}", ""},
		{"{cpu: 49m, memory: 64Mi}", key + "cpu is 49m" + mode + "it must be at least 50m"},
		{"{cpu: 50m, memory: 51Mi}", key + "memory is 51Mi" + mode + "and cpu 50m it must be at least 52Mi"},
		{"{cpu: 500m, memory: 512Mi}", ""},
		{"cpu: 500m", key + "memory is 64Mi" + mode + "and cpu 500m it must be at least 512Mi"},
		{"{cpu: 51m, memory: 52Mi}", key + "memory is 52Mi" + mode + "and cpu 51m it must be at least 53Mi"},
		{`{cpu: "2", memory: 13Gi}`, ""},
		{`{cpu: "1.5", memory: 10Gi}`, key + "cpu is 1.5" + mode + "and memory 10Gi it must be at least 1539m"},
		{"memory: 1Gi", key + "cpu is 50m" + mode + "and memory 1Gi it must be at least 154m"},
		{"cpu: much", key + `cpu is "much"; it must be cores or thousandths of one, such as 250m or 2`},
	}
	for _, test := range tests {
		declared := map[string]string{"shop": test.spec}
		_, err := loadServices(t, declared, map[string]string{modeKey: "autopilot", "grpc-edge:clusterLocation": ""}, false)
		if diff := cmp.Diff(test.want, message(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.spec, diff)
		}
		if !strings.Contains(test.want, mode) {
			continue
		}
		if _, err := loadServices(t, declared, nil, false); err != nil {
			t.Errorf("%s in a Standard cluster: %v, want nil", test.spec, err)
		}
	}
}
