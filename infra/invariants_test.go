package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"grpc-edge/policy/invariant"
)

// stacks are those that have a Pulumi.STACK.yaml.
func stacks(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "Pulumi.*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml"))
	}
	for _, stack := range []string{"dev", "sandbox"} {
		if !slices.Contains(names, stack) {
			t.Errorf("there is no stack %s among %v", stack, names)
		}
	}
	return names
}

// TestInvariants checks every stack as a preview of an empty project sees it, and
// as it is created.
func TestInvariants(t *testing.T) {
	for _, stack := range stacks(t) {
		config := configOf(t, stack)
		settings := invariant.SettingsOf(func(key string) (string, bool) {
			value, ok := config[key]
			return value, ok
		})
		if settings.Project == "" || settings.DeletionProtection == "" {
			t.Errorf("%s: the rules know of no project or deletion protection: %+v", stack, settings)
		}
		for _, preview := range []bool{true, false} {
			result := mustRun(t, stack, preview, nil)
			if found := invariant.Check(settings, seen(result)); len(found) > 0 {
				t.Errorf("%s (preview: %t) breaks rules:\n%s", stack, preview, invariant.Text(found))
			}
		}
	}
}

// TestInvariantsHoldForEveryKey checks what choices add to a stack.
func TestInvariantsHoldForEveryKey(t *testing.T) {
	own, _ := provided(t)
	tests := map[string]map[string]string{
		"provided certificate": own,
		"telemetry":            {"grpc-edge:otlpEndpoint": "http://collector.telemetry:4317"},
		"no monitoring":        {"grpc-edge:monitoring": "false"},
		"no reflection":        {"grpc-edge:reflection": "false"},
		"one pod of each":      {"grpc-edge:envoyReplicas": "1", "grpc-edge:serviceReplicas": "1"},
		"canary":               {"grpc-edge:canaries": `[{"service":"echo","stable":"sha256:` + strings.Repeat("a", 64) + `","weight":10}]`},
	}
	for name, changes := range tests {
		t.Run(name, func(t *testing.T) {
			result := mustRun(t, "sandbox", true, changes)
			settings := invariant.Settings{Project: "sandbox-project", DeletionProtection: "false"}
			if found := invariant.Check(settings, seen(result)); len(found) > 0 {
				t.Errorf("rules are broken:\n%s", invariant.Text(found))
			}
		})
	}
}

// seen are the resources of a run as rules see them.
func seen(result stackRun) []invariant.Resource {
	var list []invariant.Resource
	for _, r := range result.resources {
		list = append(list, invariant.Resource{
			Type: r.Type, Name: r.Name, Properties: resource.FromResourcePropertyMap(r.Inputs),
		})
	}
	return list
}
