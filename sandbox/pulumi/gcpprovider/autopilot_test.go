package gcpprovider

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// clusterInputs returns the inputs of the program's cluster. For Autopilot it leaves out what
// Autopilot has by itself.
func clusterInputs(t *testing.T, autopilot bool) props {
	t.Helper()
	steps := program()
	i := slices.IndexFunc(steps, func(s struct {
		token, id string
		inputs    props
	}) bool {
		return s.token == clusterToken
	})
	inputs := maps.Clone(steps[i].inputs)
	if autopilot {
		delete(inputs, "initialNodeCount")
		delete(inputs, "removeDefaultNodePool")
		inputs["enableAutopilot"], inputs["skipNodePoolRefresh"] = true, true
		inputs["clusterAutoscaling"] = props{"autoProvisioningDefaults": props{"serviceAccount": "nodes-account@test-project.iam.gserviceaccount.com"}}
	}
	return inputs
}

// clusterEngine returns an engine with what a cluster needs.
func clusterEngine(t *testing.T) *engine {
	t.Helper()
	e := newEngine(t, noRuntime{})
	for _, step := range program() {
		if slices.Contains([]string{networkType, subnetworkType, accountType}, step.token) {
			e.create(step.token, step.inputs)
		}
	}
	return e
}

func TestAutopilotHasNoPermanentDiff(t *testing.T) {
	t.Parallel()
	e := clusterEngine(t)
	inputs := clusterInputs(t, true)
	s := e.create(clusterToken, inputs)
	if d, _ := e.diff(s, inputs); len(d.Diffs) > 0 {
		t.Errorf("after the creation: %v, want no change", d.DetailedDiff)
	}
	if d, _ := e.diff(e.read(s), inputs); len(d.Diffs) > 0 {
		t.Errorf("after a refresh: %v, want no change", d.DetailedDiff)
	}
	if profile := s.outputs["clusterAutoscaling"].ObjectValue()["autoscalingProfile"]; profile.StringValue() != "OPTIMIZE_UTILIZATION" {
		t.Errorf("clusterAutoscaling = %v, want what Autopilot clusters have", s.outputs["clusterAutoscaling"])
	}
	for key, change := range map[string]props{
		"releaseChannel": {"releaseChannel": props{"channel": "STABLE"}}, "labels": {"resourceLabels": props{"team": "edge"}},
		"logging": {"loggingConfig": props{"enableComponents": []any{"SYSTEM_COMPONENTS"}}},
	} {
		news := maps.Clone(inputs)
		maps.Copy(news, change)
		if d, _ := e.diff(s, news); len(d.Diffs) == 0 || len(d.Replaces) > 0 {
			t.Errorf("%s: changes %v, replaces %v, want it to be changed in place", key, d.Diffs, d.Replaces)
		}
	}
	if err := e.delete(s); err != nil {
		t.Error(err)
	}
}

func TestModeReplacesTheCluster(t *testing.T) {
	t.Parallel()
	for _, autopilot := range []bool{true, false} {
		e := clusterEngine(t)
		s := e.create(clusterToken, clusterInputs(t, autopilot))
		if d, _ := e.diff(s, clusterInputs(t, !autopilot)); !slices.Contains(d.Replaces, "enableAutopilot") {
			t.Errorf("from Autopilot %t to %t: replaces %v, want it to be replaced for its mode", autopilot, !autopilot, d.Replaces)
		}
	}
}

// TestAutopilotKeyReplacesTheCluster checks that another key for the nodes' disks replaces the
// cluster.
func TestAutopilotKeyReplacesTheCluster(t *testing.T) {
	t.Parallel()
	e := clusterEngine(t)
	s := e.create(clusterToken, clusterInputs(t, true))
	news := clusterInputs(t, true)
	news["clusterAutoscaling"].(props)["autoProvisioningDefaults"].(props)["bootDiskKmsKey"] = "projects/test-project/locations/us-central1/keyRings/ring/cryptoKeys/key"
	if d, _ := e.diff(s, news); len(d.Replaces) == 0 {
		t.Errorf("kmsKey: changes %v in place, want the cluster to be replaced", d.Diffs)
	}
}

// TestAutopilotConflicts checks that a conflict remains even if the value is false.
func TestAutopilotConflicts(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	for name, value := range map[string]any{
		"removeDefaultNodePool": true, "enableShieldedNodes": false, "enableIntranodeVisibility": true, "defaultMaxPodsPerNode": 32,
		"addonsConfig": props{"dnsCacheConfig": props{"enabled": true}}, "networkPolicy": props{"enabled": false},
	} {
		for _, autopilot := range []bool{true, false} {
			inputs := resource.NewPropertyMapFromMap(props{"name": "gke", "location": "us-central1", "enableAutopilot": autopilot, name: value})
			_, failures := e.check(clusterToken, nil, inputs)
			if len(failures) != 1 || !strings.Contains(failures[0].Reason, "conflicts with enableAutopilot") || !strings.HasPrefix(failures[0].Property, name) {
				t.Errorf("%s with enableAutopilot %t: %v, want the one conflict", name, autopilot, failures)
			}
		}
	}
	checked, _ := e.check(clusterToken, nil, resource.NewPropertyMapFromMap(props{"enableAutopilot": true}))
	if checked.HasValue("enableShieldedNodes") {
		t.Error("enableShieldedNodes has its default, which conflicts with enableAutopilot")
	}
	checked, _ = e.check(clusterToken, nil, resource.PropertyMap{})
	if !checked.HasValue("enableShieldedNodes") {
		t.Error("enableShieldedNodes has no default")
	}
}

// TestAutopilotNeedsNoMore checks that an account which creates Autopilot clusters needs no right
// to change them or to see machines, but must be able to act as the nodes' account.
func TestAutopilotNeedsNoMore(t *testing.T) {
	t.Parallel()
	e := clusterEngine(t)
	e.employ([]string{"container.clusters.create", "container.clusters.get", "container.operations.get", "iam.serviceAccounts.actAs"})
	pipeline := e.dial()
	e.configure(pipeline, props{"project": "test-project", "region": "us-central1", "impersonateServiceAccount": ci})
	e.client = pipeline
	if _, err := e.tryCreate(clusterToken, clusterInputs(t, true)); err != nil {
		t.Error(err)
	}
	if _, err := e.tryCreate(clusterToken, clusterInputs(t, false)); err == nil || !strings.Contains(err.Error(), "container.clusters.update") {
		t.Errorf("a Standard cluster: %v, want a refusal that names container.clusters.update", err)
	}
	e.setRole([]string{"container.clusters.create", "container.clusters.get", "container.operations.get"})
	inputs := clusterInputs(t, true)
	inputs["name"] = "other"
	if _, err := e.tryCreate(clusterToken, inputs); err == nil || !strings.Contains(err.Error(), "iam.serviceAccounts.actAs") {
		t.Errorf("without acting as the nodes' account: %v, want a refusal that names iam.serviceAccounts.actAs", err)
	}
}
