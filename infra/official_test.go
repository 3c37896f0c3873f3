package main

import (
	"slices"
	"strings"
	"testing"

	"example.com/grpc-edge/infra/image"
)

const repositoryType = "gcp:artifactregistry/repository:Repository"

// TestWhatIsSaidInEveryCase checks that every stack sets the fields that the official gcp provider
// reads back differently, or leaves unchanged when they are removed.
func TestWhatIsSaidInEveryCase(t *testing.T) {
	key := map[string]string{"grpc-edge:kmsKey": "projects/sandbox-project/locations/us-central1/keyRings/r/cryptoKeys/k"}
	byName := map[string]string{"grpc-edge:dnsEndpoint": "true", "grpc-edge:authorizedNetworks": "[]"}
	for name, test := range map[string]struct {
		changes map[string]string
		want    map[string]any
	}{
		"the API by addresses": {nil, map[string]any{
			"privateClusterConfig.enablePrivateEndpoint":                         false,
			"controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic": false,
			"controlPlaneEndpointsConfig.ipEndpointsConfig.enabled":              true,
		}},
		"the API by its name": {byName, map[string]any{
			"privateClusterConfig.enablePrivateEndpoint":                         true,
			"controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic": true,
			"controlPlaneEndpointsConfig.ipEndpointsConfig.enabled":              false,
		}},
		"no key of its own": {nil, map[string]any{"databaseEncryption": map[string]any{"state": "DECRYPTED"}}},
		"a key":             {key, map[string]any{"databaseEncryption": map[string]any{"state": "ENCRYPTED", "keyName": key["grpc-edge:kmsKey"]}}},
		"any zone":          {nil, map[string]any{"minMasterVersion": nil}},
		"its own zone":      {map[string]string{"grpc-edge:zoneAware": "true", "grpc-edge:clusterLocation": "", "grpc-edge:nodeZones": `["us-central1-a","us-central1-b"]`}, map[string]any{"minMasterVersion": "1.35"}},
	} {
		t.Run(name, func(t *testing.T) {
			result := mustRun(t, "sandbox", true, test.changes)
			check(t, result.ofType(t, clusterType)[0], test.want)
		})
	}
	if ignored := mustRun(t, "sandbox", true, byName).ofType(t, clusterType)[0].IgnoreChanges; !slices.Contains(ignored, "privateClusterConfig.masterIpv4CidrBlock") {
		t.Errorf("without addresses the range of the control plane is not ignored, and a cluster that reports none is replaced: %v", ignored)
	}
}

// TestDashboardsSayNothingEmpty checks that dashboards have no empty fields. The API drops those,
// and a field that it drops is a permanent diff.
func TestDashboardsSayNothingEmpty(t *testing.T) {
	for _, d := range mustRun(t, "dev", false, nil).ofType(t, "gcp:monitoring/dashboard:Dashboard") {
		text := at(d.Inputs, "dashboardJson").StringValue()
		for _, empty := range []string{`:""`, `:0,`, `:0}`, `:false`, `:[]`} {
			if strings.Contains(text, empty) {
				t.Errorf("%s has %s: %s", d.Name, empty, text)
			}
		}
	}
}

// TestImagesInUseAreKept checks that the repository keeps as many versions of each image as
// configured, and never deletes those in use.
func TestImagesInUseAreKept(t *testing.T) {
	stable := "sha256:" + strings.Repeat("5", 64)
	result := mustRun(t, "sandbox", true, map[string]string{
		"grpc-edge:imageKeepVersions": "7", "grpc-edge:canaries": `[{"service": "echo", "stable": "` + stable + `", "weight": 10}]`,
	})
	kept := result.named(t, repositoryType, "registry-images")
	check(t, kept, map[string]any{
		"cleanupPolicies[1].mostRecentVersions.keepCount": 7.0 * image.Manifests, "cleanupPolicies[2].action": "KEEP",
	})
	var names []string
	for _, name := range at(kept.Inputs, "cleanupPolicies[2].condition.versionNamePrefixes").ArrayValue() {
		names = append(names, name.StringValue())
	}
	want := []string{stable}
	for _, reference := range at(result.outputs, "images").ObjectValue() {
		_, digest, _ := strings.Cut(reference.StringValue(), "@")
		want = append(want, digest)
	}
	for _, digest := range want {
		if !slices.Contains(names, digest) {
			t.Errorf("kept are %v, and not %s, which the stack names", names, digest)
		}
	}
}

func TestDockerHubAccount(t *testing.T) {
	const at = "remoteRepositoryConfig.upstreamCredentials.usernamePasswordCredentials"
	const token = "projects/sandbox-project/secrets/docker-hub/versions/1"
	account := map[string]string{"grpc-edge:dockerHubUser": "edgebuilder", "grpc-edge:dockerHubTokenSecret": token}
	result := mustRun(t, "sandbox", true, account)
	check(t, result.named(t, repositoryType, "registry-docker-hub"), map[string]any{
		at: map[string]any{"username": "edgebuilder", "passwordSecretVersion": token},
	})
	result.named(t, "gcp:projects/service:Service", "project-secretmanager")
	check(t, mustRun(t, "sandbox", true, nil).named(t, repositoryType, "registry-docker-hub"), map[string]any{at: nil})
}
