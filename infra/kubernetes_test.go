package main

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestPodsAreRestricted(t *testing.T) {
	result := mustRun(t, "sandbox", false, nil)
	byDigest := regexp.MustCompile(`^us-central1-docker\.pkg\.dev/sandbox-project/grpc-edge-sandbox(-docker-hub)?/[a-z0-9/-]+@sha256:[0-9a-f]{64}$`)
	for _, r := range result.ofType(t, deploymentType) {
		const pod = "spec.template.spec."
		// The accounts of services are principals of Google Cloud, which all stacks of a project have in common.
		account := r.Name + "--sandbox"
		if r.Name == "edge" {
			account = "envoy"
		}
		check(t, r, map[string]any{
			"spec.strategy.rollingUpdate.maxUnavailable":     0.0,
			pod + "automountServiceAccountToken":             false,
			pod + "serviceAccountName":                       account,
			pod + "securityContext.runAsNonRoot":             true,
			pod + "securityContext.runAsUser":                65532.0,
			pod + "securityContext.seccompProfile.type":      "RuntimeDefault",
			pod + "topologySpreadConstraints[0].topologyKey": "topology.kubernetes.io/zone",
			pod + "topologySpreadConstraints[1].topologyKey": "kubernetes.io/hostname",
		})
		for _, container := range containers(r) {
			check(t, r, map[string]any{
				container + "securityContext.allowPrivilegeEscalation": false,
				container + "securityContext.readOnlyRootFilesystem":   true,
				container + "securityContext.capabilities.drop":        []any{"ALL"},
			})
			if image := at(r.Inputs, container+"image").StringValue(); !byDigest.MatchString(image) {
				t.Errorf("%s: image %q can change or comes from elsewhere", r.Name, image)
			}
			wanted := []string{"resources.requests.cpu", "resources.requests.memory", "resources.limits.memory"}
			if name := at(r.Inputs, container+"name").StringValue(); name != "await" && name != "drain" { // which listen on nothing
				wanted = append(wanted, "startupProbe", "readinessProbe", "livenessProbe")
			}
			for _, path := range wanted {
				if at(r.Inputs, container+path).IsNull() {
					t.Errorf("%s: %s has no %s", r.Name, container, path)
				}
			}
		}
	}
	for _, kind := range []string{"kubernetes:core/v1:ServiceAccount", "kubernetes:policy/v1:PodDisruptionBudget"} {
		if got, want := len(result.ofType(t, kind)), len([]string{"directory", "envoy", "echo", "reverse"}); got != want {
			t.Errorf("%d of %s, want %d: one for each Deployment", got, kind, want)
		}
	}
	check(t, result.ofType(t, "kubernetes:core/v1:Namespace")[0], map[string]any{
		`metadata.labels["pod-security.kubernetes.io/enforce"]`: "restricted",
	})
}

// containers returns the paths of all containers in the pods of a Deployment.
func containers(r registered) []string {
	var paths []string
	for _, list := range []string{"containers", "initContainers"} {
		for i := range listLength(at(r.Inputs, "spec.template.spec."+list)) {
			paths = append(paths, fmt.Sprintf("spec.template.spec.%s[%d].", list, i))
		}
	}
	return paths
}

// TestTermination checks that Envoy outlives the program that drains it, and both use the same
// budget.
func TestTermination(t *testing.T) {
	result := mustRun(t, "sandbox", false, map[string]string{"grpc-edge:terminationSeconds": "65"})
	for _, r := range result.ofType(t, deploymentType) {
		const pod = "spec.template.spec."
		check(t, r, map[string]any{pod + "terminationGracePeriodSeconds": 65.0})
		if r.Name != "edge" {
			check(t, r, map[string]any{pod + "containers[0].env[1]": map[string]any{"name": "TERMINATION_BUDGET", "value": "1m0s"}})
			continue
		}
		check(t, r, map[string]any{
			pod + "initContainers[0].name":          "envoy",
			pod + "initContainers[0].restartPolicy": "Always",
			pod + "initContainers[1].name":          "await",
			pod + "initContainers[1].restartPolicy": nil,
			pod + "containers[0].name":              "drain",
			pod + "containers[0].args":              []any{"drain", "-admin", "127.0.0.1:9901", "-budget", "1m0s", "-file", "/run/drain/pressure"},
		})
	}
}

func TestOnlyPort443IsPublic(t *testing.T) {
	result := mustRun(t, "sandbox", false, nil)
	for _, r := range result.ofType(t, serviceType) {
		if r.Name != "edge" {
			check(t, r, map[string]any{"spec.clusterIP": "None"})
			continue
		}
		check(t, r, map[string]any{
			"spec.type":                  "LoadBalancer",
			"spec.externalTrafficPolicy": "Local",
			"spec.ports":                 []any{map[string]any{"name": "https", "port": 443.0, "targetPort": 8443.0}},
			"metadata.annotations": map[string]any{
				"cloud.google.com/l4-rbs":                      "enabled",
				"networking.gke.io/load-balancer-ip-addresses": "network-edge",
			},
		})
	}
}

// TestRolloutsWait checks that a rollout of a service waits until Envoy has found each new pod, and
// that Pulumi waits for the rollout. Nobody looks for Envoy's pods in DNS. Each of its two pods may
// wait 20 s for services. All may take 120 s to start, in two waves.
func TestRolloutsWait(t *testing.T) {
	tests := []struct {
		name, seconds, replicas string
		want                    any
		timeout                 string
		deadline                float64
	}{
		{"the sandbox's own", "10", "2", 10.0, "14m20s", 730},
		{"default", "40", "2", 40.0, "15m20s", 760},
		{"most", "300", "100", 300.0, "8h34m0s", 1020},
		{"none", "0", "2", nil, "14m0s", 720},
	}
	for _, test := range tests {
		result := mustRun(t, "sandbox", true, map[string]string{
			"grpc-edge:serviceMinReadySeconds": test.seconds, "grpc-edge:serviceReplicas": test.replicas,
		})
		for _, r := range result.ofType(t, deploymentType) {
			want, timeout, deadline := test.want, test.timeout, test.deadline
			if r.Name == "edge" {
				want, timeout, deadline = nil, "14m40s", 740
			}
			check(t, r, map[string]any{"spec.minReadySeconds": want, "spec.progressDeadlineSeconds": deadline})
			if r.UpdateTimeout != timeout {
				t.Errorf("%s: %s: Pulumi waits %s, want %s", test.name, r.Name, r.UpdateTimeout, timeout)
			}
		}
	}
}

// TestServicesHaveTheirLimitOfCalls checks that each pod of a service has the limit, and sheds
// load by itself.
func TestServicesHaveTheirLimitOfCalls(t *testing.T) {
	result := mustRun(t, "sandbox", false, map[string]string{"grpc-edge:serviceMaxCalls": "7"})
	for _, r := range result.ofType(t, deploymentType) {
		if r.Name == "edge" {
			continue
		}
		check(t, r, map[string]any{
			"spec.template.spec.containers[0].env[2]": map[string]any{"name": "MAX_CALLS", "value": "7"},
		})
	}
}

// TestNetworkPolicies compares all rules of the NetworkPolicies. A rule without peers is open to
// all, and only the edge's rule for TLS has none.
func TestNetworkPolicies(t *testing.T) {
	result := mustRun(t, "sandbox", false, map[string]string{"grpc-edge:otlpEndpoint": "http://collector.telemetry:4317"})
	var rules []string
	for _, r := range result.ofType(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy") {
		for direction, peers := range map[string]string{"ingress": "from", "egress": "to"} {
			list := at(r.Inputs, "spec."+direction)
			for i := range listLength(list) {
				rule := fmt.Sprintf("spec.%s[%d].", direction, i)
				rules = append(rules, fmt.Sprintf("%s %s %v port %v", r.Name, peers,
					names(at(r.Inputs, rule+peers)), at(r.Inputs, rule+"ports[0].port").NumberValue()))
			}
		}
	}
	slices.Sort(rules)
	want := []string{
		"directory from [envoy] port 8080",
		"directory to [echo reverse] port 8080",
		"directory to [telemetry] port 4317",
		"echo from [directory envoy] port 8080",
		"echo to [telemetry] port 4317",
		"edge from [] port 8443",
		"edge from [gke-gmp-system gmp-system] port 9090",
		"edge to [directory] port 8080",
		"edge to [echo] port 8080",
		"edge to [reverse] port 8080",
		"edge to [telemetry] port 4317",
		"grpc-edge-allow-dns to [169.254.169.254/32 169.254.20.10/32 kube-dns kube-system node-local-dns] port 53",
		"reverse from [directory envoy] port 8080",
		"reverse to [telemetry] port 4317",
	}
	if diff := cmp.Diff(want, rules); diff != "" {
		t.Errorf("what may talk to what (-want +got):\n%s", diff)
	}
}

func listLength(value resource.PropertyValue) int {
	if !value.IsArray() {
		return 0
	}
	return len(value.ArrayValue())
}

// names returns all values of labels and addresses in a selector, in order.
func names(value resource.PropertyValue) []string {
	var list []string
	var visit func(any)
	visit = func(value any) {
		switch value := value.(type) {
		case string:
			list = append(list, value)
		case []any:
			for _, item := range value {
				visit(item)
			}
		case map[string]any:
			for _, item := range value {
				visit(item)
			}
		}
	}
	visit(plain(value))
	slices.Sort(list)
	return slices.Compact(list)
}

// TestAutoscalers checks that the program sets no number of pods for a workload that Kubernetes
// scales, so that an update does not change it.
func TestAutoscalers(t *testing.T) {
	const kind = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
	result := mustRun(t, "sandbox", false, map[string]string{"grpc-edge:serviceReplicasMax": "7", "grpc-edge:scaleAtCpuMillicores": "300"})
	check(t, result.named(t, kind, "echo"), map[string]any{
		"spec.scaleTargetRef":                                map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "echo"},
		"spec.minReplicas":                                   2.0,
		"spec.maxReplicas":                                   7.0,
		"spec.metrics[0].resource.target.averageValue":       "300m",
		"spec.behavior.scaleDown.stabilizationWindowSeconds": 300.0,
	})
	check(t, result.named(t, deploymentType, "echo"), map[string]any{"spec.replicas": nil})
	check(t, result.named(t, deploymentType, "edge"), map[string]any{"spec.replicas": 2.0})
	for _, r := range result.ofType(t, kind) {
		if r.Name == "edge" {
			t.Error("Envoy is scaled, although only services were asked for")
		}
	}
}
