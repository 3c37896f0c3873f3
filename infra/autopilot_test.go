package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// withAutopilot holds the keys of the sandbox's stack in Autopilot mode.
var withAutopilot = variant("autopilot")

func autopilotWith(changes map[string]string) map[string]string { return with(withAutopilot, changes) }

// inAutopilot returns what differs in the sandbox's stack in Autopilot mode.
func inAutopilot(t *testing.T) stackRun {
	t.Helper()
	standard := mustRun(t, "sandbox", false, autopilotWith(map[string]string{"grpc-edge:clusterMode": "standard"}))
	return changed(mustRun(t, "sandbox", false, withAutopilot), standard)
}

// TestAutopilotCluster checks that GKE owns the nodes: the provider refuses most settings of nodes.
func TestAutopilotCluster(t *testing.T) {
	result := mustRun(t, "sandbox", false, withAutopilot)
	check(t, result.ofType(t, clusterType)[0], map[string]any{
		"enableAutopilot": true, "location": "us-central1", "releaseChannel.channel": "REGULAR",
		"clusterAutoscaling.autoProvisioningDefaults.serviceAccount": "nodes@sandbox-project.iam.gserviceaccount.com",
		"clusterAutoscaling.autoProvisioningDefaults.oauthScopes":    []any{"https://www.googleapis.com/auth/cloud-platform"},
		"clusterAutoscaling.autoProvisioningDefaults.bootDiskKmsKey": withAutopilot["grpc-edge:kmsKey"],
		"databaseEncryption.keyName":                                 withAutopilot["grpc-edge:kmsKey"],
		"privateClusterConfig.enablePrivateNodes":                    true,
		"removeDefaultNodePool":                                      nil, "initialNodeCount": nil, "nodeConfig": nil, "enableShieldedNodes": nil,
		"datapathProvider": nil, "workloadIdentityConfig": nil,
	})
	for _, r := range result.resources {
		if r.Type == nodePoolType {
			t.Errorf("there is a node pool %s", r.Name)
		}
	}
	for _, r := range mustRun(t, "sandbox", false, nil).ofType(t, clusterType) { // even false conflicts with what else it has
		check(t, r, map[string]any{"enableAutopilot": nil})
	}
}

// TestClusterIsNotDeletedForAnother checks that Google refuses a change that needs another
// cluster, before anything is deleted: no two clusters may have the same range of the control
// plane.
func TestClusterIsNotDeletedForAnother(t *testing.T) {
	for mode, changes := range map[string]map[string]string{"standard": nil, "autopilot": withAutopilot} {
		if r := mustRun(t, "sandbox", true, changes).ofType(t, clusterType)[0]; r.DeleteBeforeReplace {
			t.Errorf("%s: everything in the cluster is deleted before another one is there", mode)
		}
	}
}

func TestSpotPods(t *testing.T) {
	for _, test := range []struct {
		changes map[string]string
		want    any
	}{
		{autopilotWith(map[string]string{"grpc-edge:nodeSpot": "true"}), map[string]any{"cloud.google.com/gke-spot": "true"}},
		{withAutopilot, nil},
		{map[string]string{"grpc-edge:nodeSpot": "true"}, nil}, // all nodes are such
	} {
		for _, r := range mustRun(t, "sandbox", true, test.changes).ofType(t, deploymentType) {
			check(t, r, map[string]any{"spec.template.spec.nodeSelector": test.want})
		}
	}
}

// TestAutopilotHasNothingToRaise checks that Autopilot raises the requests of a pod to the
// minimum, and to the ratio of memory to CPU of its machines, as sums over the containers of a pod
// (GKE, "Resource requests in Autopilot", general-purpose, clusters that support bursting). A
// raised value differs from the program's, and is a permanent diff. The page does not say whether
// sidecars count, so the requests must be right with them and without.
func TestAutopilotHasNothingToRaise(t *testing.T) {
	const leastCPU, leastMemory, leastRatio, mostRatio = 0.050, 52 << 20, 1 << 30, 6.5 * (1 << 30)
	canary := `[{"service":"echo","stable":"sha256:` + strings.Repeat("a", 64) + `","weight":10}]`
	result := mustRun(t, "sandbox", true, autopilotWith(map[string]string{"grpc-edge:canaries": canary, "grpc-edge:nodeSpot": "true"}))
	for _, r := range result.ofType(t, deploymentType) {
		var cpu, memory float64
		for _, group := range []string{"containers", "initContainers"} {
			containers := at(r.Inputs, "spec.template.spec."+group)
			if !containers.IsArray() {
				continue
			}
			for _, c := range containers.ArrayValue() {
				cpu += quantity(t, at(c.ObjectValue(), "resources.requests.cpu"))
				memory += quantity(t, at(c.ObjectValue(), "resources.requests.memory"))
			}
			if cpu < leastCPU || memory < leastMemory || memory/cpu < leastRatio || memory/cpu > mostRatio {
				t.Errorf("%s, up to its %s, asks for %.3f CPU and %.0f MiB, which Autopilot would raise", r.Name, group, cpu, memory/(1<<20))
			}
		}
	}
}

// quantity returns the number of a Kubernetes quantity, in one of the forms that the
// program uses.
func quantity(t *testing.T, value resource.PropertyValue) float64 {
	t.Helper()
	text := value.StringValue()
	for suffix, unit := range map[string]float64{"m": 1e-3, "Mi": 1 << 20} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n * unit
		}
	}
	t.Fatalf("%q is no quantity that this test can read", text)
	return 0
}
