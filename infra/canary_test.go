package main

import (
	"strings"
	"testing"
)

// TestCanary checks that, with a canary, the source is the second version, and the first stays as
// it is.
func TestCanary(t *testing.T) {
	const stable = "sha256:7369b033550a14997e5d698677b7b51f0210a80754f5d084c5caa1a78268267b"
	result := mustRun(t, "sandbox", false, map[string]string{
		"grpc-edge:canaries": `[{"service": "echo", "stable": "` + stable + `", "weight": 10}]`,
	})
	const image = "spec.template.spec.containers[0].image"
	check(t, result.named(t, deploymentType, "echo"), map[string]any{
		"metadata.name": "echo",
		image:           "us-central1-docker.pkg.dev/sandbox-project/grpc-edge-sandbox/echo@" + stable,
	})
	check(t, result.named(t, deploymentType, "echo-canary"), map[string]any{
		"metadata.name": "echo-canary",
		image:           at(result.outputs, "images.echo").StringValue(),
		`spec.selector.matchLabels["app.kubernetes.io/name"]`: "echo-canary",
	})
	check(t, result.named(t, serviceType, "echo-canary"), map[string]any{
		`spec.selector["app.kubernetes.io/name"]`: "echo-canary",
	})
	for _, r := range result.ofType(t, configMapType) {
		if text := at(r.Inputs, `data["envoy.json"]`); text.IsString() && !strings.Contains(text.StringValue(), "echo-canary.grpc-edge.svc.cluster.local.") {
			t.Error("Envoy knows no canary")
		}
	}
	_, err := run(t, "sandbox", true, map[string]string{
		"grpc-edge:canaries": `[{"service": "greeter", "stable": "` + stable + `"}]`,
	})
	if want := `"greeter"; it must name some of echo, reverse`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a canary of an unknown service: error = %v, want %s", err, want)
	}
}

// TestZones checks that each zone has a DNS name of its own, and an Envoy knows which one it is in.
func TestZones(t *testing.T) {
	result := mustRun(t, "sandbox", false, map[string]string{
		"grpc-edge:clusterLocation": "", "grpc-edge:zoneAware": "true",
		"grpc-edge:nodeZones": `["us-central1-a", "us-central1-b"]`,
	})
	for _, zone := range []string{"us-central1-a", "us-central1-b"} {
		check(t, result.named(t, serviceType, "echo-"+zone), map[string]any{
			"spec.clusterIP": "None",
			"spec.selector":  map[string]any{"app.kubernetes.io/name": "echo", "topology.kubernetes.io/zone": zone},
		})
	}
	check(t, result.named(t, nodePoolType, "cluster-nodes"), map[string]any{"nodeLocations": []any{"us-central1-a", "us-central1-b"}})
	check(t, result.named(t, deploymentType, "edge"), map[string]any{
		"spec.template.spec.initContainers[0].env[0].valueFrom.fieldRef.fieldPath": "metadata.labels['topology.kubernetes.io/zone']",
	})
}
