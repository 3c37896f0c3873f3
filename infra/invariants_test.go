package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.com/grpc-edge/internal/stackfile"
	"example.com/grpc-edge/policy/invariant"
)

// stacks returns the stacks that have a Pulumi.STACK.yaml.
func stacks(t *testing.T) []string {
	t.Helper()
	names, err := stackfile.Stacks(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range []string{"dev", "sandbox"} {
		if !slices.Contains(names, stack) {
			t.Errorf("there is no stack %s among %v", stack, names)
		}
	}
	return names
}

// TestInvariants checks every stack as a preview in an empty project sees it, and as it is
// created.
func TestInvariants(t *testing.T) {
	for _, stack := range stacks(t) {
		settings := settingsOf(t, stack, nil)
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

// TestInvariantsHoldForEveryKey checks what optional keys add to a stack.
func TestInvariantsHoldForEveryKey(t *testing.T) {
	own, _ := provided(t)
	tests := map[string]map[string]string{
		"provided certificate":        own,
		"certificate of cert-manager": withCertManager,
		"certificate of a CA pool":    withPool,
		"telemetry":                   {"grpc-edge:otlpEndpoint": "http://collector.telemetry:4317"},
		"regional and protected": {
			"grpc-edge:clusterLocation": "", "grpc-edge:nodeZones": `["us-central1-a","us-central1-b"]`,
			"grpc-edge:zoneAware": "true", "grpc-edge:deletionProtection": "true",
		},
		"the API by its name alone": {"grpc-edge:dnsEndpoint": "true", "grpc-edge:authorizedNetworks": "[]"},
		"a way to the internet":     {"grpc-edge:nat": "true"},
		"IPv6":                      variant("dual-stack"),
		"Autopilot":                 autopilotWith(map[string]string{"grpc-edge:nodeSpot": "true"}),
		"more nodes on demand":      {"grpc-edge:nodeCountMax": "3", "grpc-edge:nodeSpot": "true"},
		"more pods on demand":       {"grpc-edge:envoyReplicasMax": "5", "grpc-edge:serviceReplicasMax": "5"},
		"no logs":                   {"grpc-edge:logging": "[]"},
		"no monitoring":             {"grpc-edge:monitoring": "false"},
		"no reflection":             {"grpc-edge:reflection": "false"},
		"no directory":              {"grpc-edge:reflection": "false", "grpc-edge:health": "false"},
		"one pod of each":           {"grpc-edge:envoyReplicas": "1", "grpc-edge:serviceReplicas": "1"},
		"workflows of GitHub":       {"grpc-edge:githubRepository": "example/grpc-edge", "grpc-edge:projectNumber": projectNumber},
		"workflows of a repository by its number, of another branch": {
			"grpc-edge:githubRepository": "example/grpc-edge", "grpc-edge:githubRepositoryId": "42",
			"grpc-edge:githubBranch": "release", "grpc-edge:projectNumber": projectNumber,
		},
		"stacks of pull requests": {
			"grpc-edge:githubRepository": "example/grpc-edge", "grpc-edge:projectNumber": projectNumber, "grpc-edge:reviewStacks": "true",
		},
		"Cloud Build":   {"grpc-edge:cloudBuildRepository": "projects/sandbox-project/locations/us-central1/connections/github/repositories/grpc-edge"},
		"signed images": withSigning,
		"canary":        {"grpc-edge:canaries": `[{"service":"echo","stable":"sha256:` + strings.Repeat("a", 64) + `","weight":10}]`},
	}
	for name, changes := range tests {
		t.Run(name, func(t *testing.T) {
			result := mustRun(t, "sandbox", true, changes)
			if found := invariant.Check(settingsOf(t, "sandbox", changes), seen(result)); len(found) > 0 {
				t.Errorf("rules are broken:\n%s", invariant.Text(found))
			}
		})
	}
}

// settingsOf returns the settings of rules from the configuration of the stack, with
// changes to it.
func settingsOf(t *testing.T, stack string, changes map[string]string) invariant.Settings {
	t.Helper()
	config := configOf(t, stack)
	maps.Copy(config, changes)
	return invariant.SettingsOf(func(key string) (string, bool) {
		value, ok := config[key]
		return value, ok
	})
}

// seen returns the resources of a run as rules see them.
func seen(result stackRun) []invariant.Resource {
	var list []invariant.Resource
	for _, r := range result.resources {
		list = append(list, invariant.Resource{
			Type: r.Type, Name: r.Name, Properties: resource.FromResourcePropertyMap(r.Inputs),
		})
	}
	return list
}

// TestRulesSeeTheStack breaks real resources: a rule for another type or property than the
// program uses would never fail.
func TestRulesSeeTheStack(t *testing.T) {
	const pod = "spec.template.spec."
	tests := []struct {
		rule, kind, path string
		value            any
	}{
		{"control-plane-closed", clusterType, "masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock", "0.0.0.0/0"},
		{"nodes-private", clusterType, "privateClusterConfig.enablePrivateNodes", false},
		{"no-legacy-access", clusterType, "masterAuth.clientCertificateConfig.issueClientCertificate", true},
		{"release-channel", clusterType, "releaseChannel.channel", "UNSPECIFIED"},
		{"network-policy-enforced", clusterType, "datapathProvider", "LEGACY_DATAPATH"},
		{"workload-identity", nodePoolType, "nodeConfig.workloadMetadataConfig.mode", "GCE_METADATA"},
		{"deletion-protection", clusterType, "deletionProtection", true},
		{"node-account", nodePoolType, "nodeConfig.serviceAccount", "default"},
		{"node-scopes", nodePoolType, "nodeConfig.oauthScopes[0]", "https://www.googleapis.com/auth/compute"},
		{"shielded-nodes", nodePoolType, "nodeConfig.shieldedInstanceConfig.enableSecureBoot", false},
		{"nodes-upgraded", nodePoolType, "management.autoUpgrade", false},
		{"node-image", nodePoolType, "nodeConfig.imageType", "UBUNTU_CONTAINERD"},
		{"network-custom", "gcp:compute/network:Network", "autoCreateSubnetworks", true},
		{"subnet-private-access", "gcp:compute/subnetwork:Subnetwork", "privateIpGoogleAccess", false},
		{"service-only-443", serviceType, "spec.ports[0].port", 80},
		{"no-basic-roles", "gcp:projects/iAMMember:IAMMember", "role", "roles/editor"},
		{"no-public-grants", "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember", "member", "allUsers"},
		{"federation-conditional", providerKind, "attributeCondition", "true"},
		{"federation-narrow", actAsKind, "member", "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/*"},
		{"image-digest", deploymentType, pod + "containers[0].image", "us-central1-docker.pkg.dev/sandbox-project/grpc-edge-sandbox/echo:latest"},
		{"image-registry", "gcp:artifactregistry/repository:Repository", "repositoryId", "other"},
		{"image-tags-fixed", "gcp:artifactregistry/repository:Repository", "dockerConfig.immutableTags", false},
		{"images-signed", "gcp:binaryauthorization/policy:Policy", "defaultAdmissionRule.enforcementMode", "DRYRUN_AUDIT_LOG_ONLY"},
		{"pod-not-root", deploymentType, pod + "securityContext.runAsNonRoot", false},
		{"pod-no-privileges", deploymentType, pod + "containers[0].securityContext.allowPrivilegeEscalation", true},
		{"pod-no-capabilities", deploymentType, pod + "containers[0].securityContext.capabilities.drop[0]", "KILL"},
		{"pod-read-only", deploymentType, pod + "containers[0].securityContext.readOnlyRootFilesystem", false},
		{"pod-seccomp", deploymentType, pod + "securityContext.seccompProfile.type", "Unconfined"},
		{"pod-not-on-host", deploymentType, pod + "hostNetwork", true},
		{"pod-resources", deploymentType, pod + "containers[0].resources", map[string]any{}},
		{"pod-no-token", deploymentType, pod + "automountServiceAccountToken", true},
		{"namespace-restricted", "kubernetes:core/v1:Namespace", "metadata.labels", map[string]any{}},
		{"images-signed", admissionType, "admissionWhitelistPatterns[0].namePattern", "us-central1-docker.pkg.dev/sandbox-project/grpc-edge-sandbox/**"},
		{"namespace-closed", "kubernetes:core/v1:Namespace", "metadata.name", "other"},
		{"workload-policy", "kubernetes:networking.k8s.io/v1:NetworkPolicy", "metadata.namespace", "other"},
		{"workload-budget", "kubernetes:policy/v1:PodDisruptionBudget", "metadata.namespace", "other"},
		{"secret-marked", secretType, "data", map[string]any{"tls.key": "S0VZ"}},
		{"private-key-hidden", configMapType, "data.note", "-----BEGIN PRIVATE KEY-----"},
		{"api-stays-enabled", "gcp:projects/service:Service", "disableOnDestroy", true},
	}
	// As unprotected as the settings say.
	result := mustRun(t, "sandbox", false, deliveryWith(map[string]string{"grpc-edge:deletionProtection": "false", "grpc-edge:promotedFrom": ""}))
	settings := settingsOf(t, "sandbox", nil)
	broken := map[string]bool{}
	for _, test := range tests {
		broken[test.rule] = true
		path, err := resource.ParsePropertyPath(test.path)
		if err != nil {
			t.Fatal(err)
		}
		list := seen(result)
		for i, r := range list {
			if r.Type != test.kind {
				continue
			}
			changed := resource.NewProperty(resource.ToResourcePropertyMap(r.Properties))
			if changed, ok := path.Add(changed, resource.NewPropertyValue(test.value)); ok {
				list[i].Properties = resource.FromResourcePropertyMap(changed.ObjectValue())
			}
		}
		found := invariant.Check(settings, list)
		if !slices.ContainsFunc(found, func(v invariant.Violation) bool { return v.Rule == test.rule }) {
			t.Errorf("%s of every %s is %v, and %s says nothing; others say\n%s", test.path, test.kind, test.value, test.rule, invariant.Text(found))
		}
	}
	// The stack has no firewall, forwarding rule or NAT of its own, and no key.
	none := []string{"firewall-only-443", "forwarding-only-443", "nat-logs-errors", "no-authoritative-grants", "no-account-keys"}
	for _, rule := range invariant.Rules(settings) {
		if !broken[rule.Name] && !slices.Contains(none, rule.Name) {
			t.Errorf("nothing here breaks the rule %s", rule.Name)
		}
	}
}
