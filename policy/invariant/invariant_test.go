package invariant

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"gopkg.in/yaml.v3"
)

const pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n"

var (
	settings = Settings{Project: "demo", DeletionProtection: "true"}
	unknown  = resource.MakeComputed(resource.NewProperty(""))
)

// described is a resource that tests may change.
type described struct {
	Type, Name string
	Properties map[string]any
}

// good returns a stack that violates no rule.
func good(t *testing.T) []described {
	t.Helper()
	text, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list []described
	if err := yaml.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// with returns the good stack with one value set, or removed if it is nil.
func with(t *testing.T, name, path string, value any) []Resource {
	t.Helper()
	kind, name, _ := strings.Cut(name, " ")
	changed := false
	var list []Resource
	for _, d := range good(t) {
		properties := resource.NewPropertyMapFromMap(d.Properties)
		if strings.HasSuffix(d.Type, ":"+kind) && d.Name == name {
			properties, changed = set(t, properties, path, value), true
		}
		list = append(list, Resource{Type: d.Type, Name: d.Name, Properties: resource.FromResourcePropertyMap(properties)})
	}
	if path != "" && !changed {
		t.Fatalf("no %s is called %q", kind, name)
	}
	return list
}

func set(t *testing.T, properties resource.PropertyMap, path string, value any) resource.PropertyMap {
	t.Helper()
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		t.Fatal(err)
	}
	object := resource.NewProperty(properties)
	if value == nil {
		if !parsed.Delete(object) {
			t.Fatalf("there is no %s", path)
		}
		return object.ObjectValue()
	}
	object, ok := parsed.Add(object, resource.NewPropertyValue(value))
	if !ok {
		t.Fatalf("%s cannot be set", path)
	}
	return object.ObjectValue()
}

func TestGoodStackBreaksNoRule(t *testing.T) {
	t.Parallel()
	if found := Check(settings, with(t, "", "", nil)); len(found) > 0 {
		t.Error(Text(found))
	}
}

const (
	pod       = "spec.template.spec."
	container = pod + "containers[0]."
	exempt    = "admissionWhitelistPatterns[0].namePattern"
	sidecar   = pod + "initContainers[0]."
	pool      = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/"
)

// TestEachRule breaks one thing at a time, and checks that exactly this rule reports it.
func TestEachRule(t *testing.T) {
	t.Parallel()
	type test struct {
		rule, resource, path string
		value                any
		want                 string // empty if nothing is wrong with it
	}
	tests := []test{
		{"control-plane-closed", "Cluster cluster", "masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock", "0.0.0.0/0",
			`masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock is "0.0.0.0/0", must be a network that you work from`},
		{"control-plane-closed", "Cluster cluster", "masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock", "::/0", `is "::/0"`},
		{"control-plane-closed", "Cluster cluster", "masterAuthorizedNetworksConfig", nil, "masterAuthorizedNetworksConfig is not set, must name"},
		{"control-plane-closed", "Cluster cluster", "masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled", nil, "is not set, must be false"},
		{"control-plane-closed", "Cluster cluster", "masterAuthorizedNetworksConfig", unknown, ""},
		{"control-plane-closed", "Cluster autopilot", "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled", true, "masterAuthorizedNetworksConfig is not set"},
		{"nodes-private", "Cluster cluster", "privateClusterConfig.enablePrivateNodes", false, "privateClusterConfig.enablePrivateNodes is false, must be true"},
		{"nodes-private", "NodePool nodes", "networkConfig.enablePrivateNodes", false, "must be true or left out"},
		{"no-legacy-access", "Cluster cluster", "enableLegacyAbac", true, "enableLegacyAbac is true, must be false or left out"},
		{"no-legacy-access", "Cluster cluster", "masterAuth.clientCertificateConfig.issueClientCertificate", true, "must be false"},
		{"no-legacy-access", "Cluster cluster", "masterAuth.username", "admin", `is "admin", must be left out or ""`},
		{"no-legacy-access", "Cluster cluster", "masterAuth.password", resource.MakeSecret(resource.NewProperty("hunter2")), "is a secret, must be left out"},
		{"release-channel", "Cluster cluster", "releaseChannel.channel", "UNSPECIFIED", `is "UNSPECIFIED", must be "RAPID" or "REGULAR" or "STABLE"`},
		{"release-channel", "Cluster autopilot", "releaseChannel", nil, "is not set"},
		{"network-policy-enforced", "Cluster cluster", "datapathProvider", nil, `is not set, must be "ADVANCED_DATAPATH"`},
		{"workload-identity", "Cluster cluster", "workloadIdentityConfig", nil, "workloadPool is not set, must not be left out"},
		{"workload-identity", "NodePool nodes", "nodeConfig.workloadMetadataConfig.mode", "GCE_METADATA", `must be "GKE_METADATA"`},
		{"deletion-protection", "Cluster cluster", "deletionProtection", false, "deletionProtection is false, must be true"},
		{"deletion-protection", "Cluster cluster", "deletionProtection", nil, "must be true"},
		{"node-account", "NodePool nodes", "nodeConfig.serviceAccount", nil, "nodeConfig.serviceAccount is not set, must be the email"},
		{"node-account", "NodePool nodes", "nodeConfig.serviceAccount", "default", `is "default"`},
		{"node-account", "NodePool nodes", "nodeConfig.serviceAccount", "1234-compute@developer.gserviceaccount.com", "must be the email"},
		{"node-account", "NodePool nodes", "nodeConfig.serviceAccount", unknown, ""},
		{"node-account", "Cluster cluster", "nodeConfig.serviceAccount", nil, "must be the email"},
		{"node-account", "Cluster autopilot", "clusterAutoscaling", nil, "autoProvisioningDefaults.serviceAccount is not set"},
		{"node-scopes", "NodePool nodes", "nodeConfig.oauthScopes", nil, "nodeConfig.oauthScopes is not set, must be"},
		{"node-scopes", "NodePool nodes", "nodeConfig.oauthScopes[0]", "https://www.googleapis.com/auth/compute", "must be"},
		{"node-scopes", "Cluster cluster", "nodeConfig.oauthScopes[1]", "https://www.googleapis.com/auth/compute", "must be"},
		{"shielded-nodes", "Cluster cluster", "enableShieldedNodes", false, "enableShieldedNodes is false, must be true"},
		{"shielded-nodes", "NodePool nodes", "nodeConfig.shieldedInstanceConfig.enableSecureBoot", false, "enableSecureBoot is false"},
		{"shielded-nodes", "NodePool nodes", "nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring", nil, "enableIntegrityMonitoring is not set"},
		{"nodes-upgraded", "NodePool nodes", "management.autoUpgrade", false, "must be true"},
		{"nodes-upgraded", "NodePool nodes", "management.autoRepair", nil, "must be true"},
		{"node-image", "NodePool nodes", "nodeConfig.imageType", "UBUNTU_CONTAINERD", `must be "COS_CONTAINERD"`},

		{"network-custom", "Network network", "autoCreateSubnetworks", nil, "is not set, must be false"},
		{"subnet-private-access", "Subnetwork subnet", "privateIpGoogleAccess", false, "must be true"},
		{"nat-logs-errors", "RouterNat nat", "logConfig.filter", "ALL", `must be "ERRORS_ONLY"`},
		{"nat-logs-errors", "RouterNat nat", "logConfig.enable", false, "must be true"},

		{"service-only-443", "Service edge", "spec.ports[0].port", 80, "spec.ports[0].port is 80, must be 443"},
		{"service-only-443", "Service edge", "spec.ports[1]", map[string]any{"port": 9901}, "spec.ports[1].port is 9901, must be 443"},
		{"service-only-443", "Service edge", "spec.ports[0].protocol", "UDP", `must be "TCP"`},
		{"service-only-443", "Service app", "spec.type", "NodePort", `is "NodePort", must be left out or "ClusterIP" or "LoadBalancer"`},
		{"service-only-443", "Service app", "spec.externalIPs[0]", "203.0.113.1", "must be left out"},
		{"service-only-443", "Service app", "spec.type", "LoadBalancer", "spec.ports[0].port is 8080, must be 443"},
		{"firewall-only-443", "Firewall https", "allows[0].ports[0]", "22", `allows[0].ports is ["22"], must be ["443"]`},
		{"firewall-only-443", "Firewall https", "allows[0].ports", nil, "allows[0].ports is not set"},
		{"firewall-only-443", "Firewall https", "allows[0].protocol", "udp", `must be "tcp"`},
		{"firewall-only-443", "Firewall internal", "sourceRanges[1]", "8.8.8.0/24", `is ["10250"]`},
		{"firewall-only-443", "Firewall internal", "sourceRanges[1]", "2001:db8::/32", `is ["10250"]`},
		{"firewall-only-443", "Firewall internal", "sourceRanges", nil, `is ["10250"]`},
		{"firewall-only-443", "Firewall tagged", "sourceTags", nil, "must be"},
		{"firewall-only-443", "Firewall https", "allows[0].ports", unknown, ""},
		{"forwarding-only-443", "ForwardingRule external", "ports[0]", "80", `is ["80"], must be ["443"]`},
		{"forwarding-only-443", "ForwardingRule external", "allPorts", true, "allPorts is true, must be false"},
		{"forwarding-only-443", "ForwardingRule external", "ports", nil, `portRange is not set, must be "443"`},
		{"forwarding-only-443", "GlobalForwardingRule global", "portRange", "80", `is "80"`},

		{"no-basic-roles", "IAMMember grant", "role", "roles/owner", `role is "roles/owner", must not be "roles/owner"`},
		{"no-basic-roles", "IAMMember grant", "role", "roles/editor", "must not be"},
		{"no-public-grants", "IAMMember grant", "member", "allUsers", `member is "allUsers", must be a user`},
		{"no-public-grants", "RepositoryIamBinding readers", "members[0]", "allAuthenticatedUsers", "members[0] is"},
		{"no-public-grants", "RepositoryIamPolicy policy", "policyData", `{"bindings":[{"members":["allUsers"]}]}`, "policyData names allUsers"},

		{"federation-conditional", "WorkloadIdentityPoolProvider github", "attributeCondition", nil, "attributeCondition is not set, must be a condition on claims"},
		{"federation-conditional", "WorkloadIdentityPoolProvider github", "attributeCondition", "true", `is "true"`},
		{"federation-conditional", "WorkloadIdentityPoolProvider github", "attributeCondition", unknown, ""},
		{"federation-narrow", "IAMMember workflow", "member", pool + "*", "must be a subject, a group or an attribute"},
		{"federation-narrow", "RepositoryIamBinding readers", "members[0]", pool + "*", "members[0] is"},
		{"federation-narrow", "IAMMember workflow", "member", pool + "group/ops", ""},
		{"federation-narrow", "IAMMember workflow", "member", unknown, ""},

		{"image-digest", "Deployment app", container + "image", "us-central1-docker.pkg.dev/demo/images/app:v1", `must be named by digest: IMAGE@sha256:DIGEST`},
		{"image-digest", "Deployment app", sidecar + "image", "us-central1-docker.pkg.dev/demo/images/app", sidecar + "image is"},
		{"image-digest", "CronJob cron", "spec.jobTemplate." + container + "image", "us-central1-docker.pkg.dev/demo/images/app:v1", "must be named by digest"},
		{"image-digest", "Deployment app", container + "image", unknown, ""},
		{"image-registry", "Deployment app", container + "image", "docker.io/library/app@sha256:" + strings.Repeat("a", 64), "must be in a repository of the stack"},
		{"image-registry", "Deployment app", container + "image", "us-central1-docker.pkg.dev/other/images/app@sha256:" + strings.Repeat("a", 64), "must be in"},
		{"image-registry", "Deployment app", container + "image", "us-central1-docker.pkg.dev/demo/images-2/app@sha256:" + strings.Repeat("a", 64), "must be in"},
		{"images-signed", "Policy admission", "defaultAdmissionRule.enforcementMode", "DRYRUN_AUDIT_LOG_ONLY", `must be "ENFORCED_BLOCK_AND_AUDIT_LOG"`},
		{"images-signed", "Policy admission", "clusterAdmissionRules[0].evaluationMode", "ALWAYS_ALLOW", `evaluationMode is "ALWAYS_ALLOW", must be "REQUIRE_ATTESTATION" or "ALWAYS_DENY"`},
		{"images-signed", "Policy admission", exempt, "us-central1-docker.pkg.dev/demo/images/**", `must not cover images of the repository "images"`},
		{"images-signed", "Policy admission", exempt, "us-central1-docker.pkg.dev/demo/images/echo", "must not cover"},
		{"images-signed", "Policy admission", exempt, "us-central1-docker.pkg.dev/demo/im**", "must not cover"},
		{"images-signed", "Policy admission", exempt, "us-central1-docker.pkg.dev/**", "must not cover"},
		{"images-signed", "Policy admission", exempt, "us-central1-docker.pkg.dev/demo/*", ""}, // which ends at a slash
		{"images-signed", "Policy admission", exempt, "us-central1-docker.pkg.dev/demo/mirror/**", ""},
		{"images-signed", "Policy admission", "defaultAdmissionRule.evaluationMode", "ALWAYS_DENY", ""},
		{"image-tags-fixed", "Repository images", "dockerConfig.immutableTags", false, "dockerConfig.immutableTags is false, must be true"},

		{"pod-not-root", "Deployment app", pod + "securityContext.runAsNonRoot", nil, container + "securityContext.runAsNonRoot is not set, must be true"},
		{"pod-not-root", "Deployment app", container + "securityContext.runAsNonRoot", false, "is false"},
		{"pod-not-root", "Deployment app", sidecar + "securityContext.runAsUser", 0, "runAsUser is 0, must not be 0"},
		{"pod-no-privileges", "Deployment app", container + "securityContext.allowPrivilegeEscalation", nil, "must be false"},
		{"pod-no-privileges", "Deployment app", sidecar + "securityContext.privileged", true, "privileged is true"},
		{"pod-no-capabilities", "Deployment app", container + "securityContext.capabilities", nil, `drop is not set, must be ["ALL"]`},
		{"pod-no-capabilities", "Deployment app", container + "securityContext.capabilities.drop[0]", "KILL", `drop is ["KILL"], must be ["ALL"]`},
		{"pod-no-capabilities", "Deployment app", container + "securityContext.capabilities.add[0]", "NET_ADMIN", `add is ["NET_ADMIN"], must be left out`},
		{"pod-read-only", "Deployment app", sidecar + "securityContext.readOnlyRootFilesystem", false, "must be true"},
		{"pod-seccomp", "Deployment app", pod + "securityContext.seccompProfile", nil, `seccompProfile.type is not set, must be "RuntimeDefault"`},
		{"pod-seccomp", "Deployment app", container + "securityContext.seccompProfile.type", "Unconfined", `is "Unconfined"`},
		{"pod-not-on-host", "Deployment app", pod + "hostNetwork", true, pod + "hostNetwork is true"},
		{"pod-not-on-host", "Deployment app", pod + "hostPID", true, "hostPID is true"},
		{"pod-not-on-host", "Deployment app", pod + "hostIPC", true, "hostIPC is true"},
		{"pod-not-on-host", "Deployment app", pod + "volumes[0].hostPath", map[string]any{"path": "/"}, "hostPath is set, must be left out"},
		{"pod-not-on-host", "Deployment app", container + "ports[0].hostPort", 8080, "hostPort is 8080"},
		{"pod-resources", "Deployment app", container + "resources.limits.memory", nil, "resources.limits.memory is not set, must be a quantity"},
		{"pod-resources", "Deployment app", sidecar + "resources.requests.cpu", nil, "resources.requests.cpu is not set"},
		{"pod-resources", "CronJob cron", "spec.jobTemplate." + container + "resources.requests", nil, "resources.requests.memory is not set"},
		{"pod-no-token", "Deployment app", pod + "automountServiceAccountToken", nil, pod + "automountServiceAccountToken is not set, must be false"},
		{"pod-no-token", "Deployment app", "spec.template.metadata.annotations", map[string]any{needsToken: ""}, `must not be ""`},

		{"namespace-restricted", "Namespace space", "metadata.labels", nil, `metadata.labels["pod-security.kubernetes.io/enforce"] is not set, must be "restricted"`},
		{"namespace-restricted", "Namespace space", `metadata.labels["pod-security.kubernetes.io/enforce"]`, "baseline", `is "baseline"`},
		{"namespace-closed", "Namespace space", "metadata.name", "other", `Namespace "space": metadata.name is "other", must be the namespace of a NetworkPolicy`},
		{"namespace-closed", "NetworkPolicy deny", "spec.policyTypes", []any{"Ingress", "Ingress"}, "must be the namespace of a NetworkPolicy"},
		{"namespace-closed", "NetworkPolicy deny", "spec.ingress[0]", map[string]any{}, "must be the namespace of a NetworkPolicy"},
		{"namespace-closed", "NetworkPolicy deny", "spec.podSelector.matchLabels", map[string]any{"app": "app"}, "must be the namespace of a NetworkPolicy"},
		{"namespace-closed", "NetworkPolicy deny", "metadata.namespace", unknown, ""},
		{"workload-policy", "NetworkPolicy app", "spec.podSelector.matchLabels.app", "other", `Deployment "app": spec.template.metadata.labels is set, must be selected by a NetworkPolicy`},
		{"workload-policy", "NetworkPolicy app", "spec.podSelector.matchLabels", nil, "must be selected"},
		{"workload-policy", "NetworkPolicy app", "metadata.namespace", "other", "must be selected"},
		{"workload-budget", "PodDisruptionBudget app", "spec.selector.matchLabels.app", "other", "must be selected by a PodDisruptionBudget"},

		{"secret-marked", "Secret certificate", "data", map[string]any{"tls.key": "S0VZ"}, "data is in the clear, must be a Pulumi secret"},
		{"secret-marked", "Secret certificate", "stringData", map[string]any{"tls.key": "key"}, "stringData is in the clear"},
		{"secret-marked", "Secret certificate", "data", resource.MakeSecret(resource.NewProperty(resource.PropertyMap{"tls.key": resource.NewProperty("S0VZ")})), ""},
		{"secret-marked", "Secret certificate", "data", resource.NewProperty(resource.PropertyMap{"tls.key": resource.MakeSecret(resource.NewProperty("S0VZ"))}), ""},
		{"secret-marked", "Secret certificate", "data", unknown, ""},
		{"secret-marked", "kubernetes cluster", "kubeconfig", "{}", "kubeconfig is in the clear"},
		{"secret-marked", "kubernetes cluster", "kubeconfig", resource.MakeSecret(unknown), ""},
		{"private-key-hidden", "ConfigMap files", "data.note", pem, "data.note holds a private key in the clear"},
		{"private-key-hidden", "Deployment app", container + "args[0]", pem, container + "args[0] holds a private key"},
		{"private-key-hidden", "ConfigMap files", "data.note", resource.MakeSecret(resource.NewProperty(pem)), ""},

		{"api-stays-enabled", "Service compute", "disableOnDestroy", nil, "is not set, must be false"},
	}
	for _, c := range tests {
		found := Check(settings, with(t, c.resource, c.path, c.value))
		text := Text(found)
		if c.want == "" {
			if len(found) > 0 {
				t.Errorf("%s of %s as %v: violations\n%s", c.path, c.resource, c.value, text)
			}
			continue
		}
		if !strings.Contains(text, c.want) {
			t.Errorf("%s of %s as %v: got\n%s\nwant %q", c.path, c.resource, c.value, text, c.want)
		}
		for _, v := range found {
			if v.Rule != c.rule {
				t.Errorf("%s of %s as %v also breaks %s", c.path, c.resource, c.value, v.Rule)
			}
			if strings.Contains(v.String(), "hunter2") || strings.Contains(v.String(), "MHcCAQEE") {
				t.Errorf("a message shows a secret: %s", v)
			}
		}
	}

	// What is wrong by its type alone is below.
	elsewhere := []string{"no-authoritative-grants", "no-account-keys"}
	for _, rule := range Rules(settings) {
		tested := slices.ContainsFunc(tests, func(c test) bool { return c.rule == rule.Name && c.want != "" })
		if !tested && !slices.Contains(elsewhere, rule.Name) {
			t.Errorf("no case breaks the rule %s", rule.Name)
		}
	}
}

func TestForbiddenTypes(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"gcp:projects/iAMBinding:IAMBinding":       "no-authoritative-grants",
		"gcp:projects/iAMPolicy:IAMPolicy":         "no-authoritative-grants",
		"gcp:folder/iAMBinding:IAMBinding":         "no-authoritative-grants",
		"gcp:organizations/iAMPolicy:IAMPolicy":    "no-authoritative-grants",
		"gcp:serviceaccount/key:Key":               "no-account-keys",
		"gcp:serviceaccount/iAMBinding:IAMBinding": "",
	} {
		if text := Text(Check(settings, []Resource{{Type: kind, Name: "x"}})); !strings.HasPrefix(text, want) || want == "" && text != "" {
			t.Errorf("%s: got %q, want %q", kind, text, want)
		}
	}
}

// TestScaledWorkloadsNeedABudget checks that a Deployment with an autoscaler needs a disruption
// budget, although it has no replicas set. Without an autoscaler it is one pod and needs none.
func TestScaledWorkloadsNeedABudget(t *testing.T) {
	t.Parallel()
	var list []Resource
	for _, r := range with(t, "Deployment app", "spec.replicas", nil) {
		if r.Type != budgetType {
			list = append(list, r)
		}
	}
	if found := Check(settings, list); len(found) > 0 {
		t.Errorf("one pod needs no budget: %s", Text(found))
	}
	scaler := resource.NewPropertyMapFromMap(map[string]any{
		"metadata": map[string]any{"namespace": "space"},
		"spec":     map[string]any{"scaleTargetRef": map[string]any{"kind": "Deployment", "name": "app"}},
	})
	list = append(list, Resource{Type: autoscalerType, Name: "app", Properties: resource.FromResourcePropertyMap(scaler)})
	if text := Text(Check(settings, list)); !strings.Contains(text, `workload-budget: kubernetes:apps/v1:Deployment "app"`) {
		t.Errorf("a scaled workload has no budget, got %q", text)
	}
}

// TestSigningIsRequired checks that a stack with a signing key must require signatures, and that
// others need not.
func TestSigningIsRequired(t *testing.T) {
	t.Parallel()
	list := with(t, "Policy admission", "defaultAdmissionRule.evaluationMode", "ALWAYS_ALLOW")
	if found := Check(settings, list); len(found) > 0 {
		t.Error(Text(found))
	}
	signing := settings
	signing.SigningKey = "projects/demo/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
	if found := Text(Check(signing, list)); !strings.HasPrefix(found, "images-signed: ") || !strings.Contains(found, `"ALWAYS_ALLOW"`) {
		t.Errorf("with a key: %q, want that the images must be attested", found)
	}
}

// TestDeclaredToken checks that a pod may have a token if it declares that it calls the API.
func TestDeclaredToken(t *testing.T) {
	t.Parallel()
	list := with(t, "Deployment app", "spec.template.metadata.annotations", map[string]any{needsToken: "reads its own ConfigMap"})
	if found := Check(settings, list); len(found) > 0 {
		t.Error(Text(found))
	}
}

// TestWithoutSettings checks that, without a stack's configuration, as in a pack that is being
// published, either value is accepted.
func TestWithoutSettings(t *testing.T) {
	t.Parallel()
	list := with(t, "Cluster cluster", "deletionProtection", false)
	if found := Check(Settings{}, list); len(found) > 0 {
		t.Error(Text(found))
	}
	none := SettingsOf(func(string) (string, bool) { return "", false })
	config := map[string]string{"gcp:project": "demo", "grpc-edge:deletionProtection": "true"}
	read := SettingsOf(func(key string) (string, bool) { value, ok := config[key]; return value, ok })
	if none != (Settings{}) || read != settings {
		t.Errorf("settings are %+v and %+v", none, read)
	}
}

// TestRulesAreDescribed checks that users configure the pack by the names of rules; the other
// fields are for people.
func TestRulesAreDescribed(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, r := range Rules(settings) {
		if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(r.Name) || names[r.Name] {
			t.Errorf("the name %q is taken or has other than lower case letters, digits and hyphens", r.Name)
		}
		names[r.Name] = true
		for _, sentence := range []string{r.What, r.Why} {
			if !strings.HasSuffix(sentence, ".") {
				t.Errorf("%s: %q is no sentence", r.Name, sentence)
			}
		}
		if r.Source == "" || (r.resource == nil) == (r.stack == nil) {
			t.Errorf("%s has no source, or not one check", r.Name)
		}
	}
}
