package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	clientset "k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"
)

const monitoring = `
kind: PodMonitoring
metadata: {name: envoy, namespace: default}
spec:
  selector: {matchLabels: {app: envoy}}
  endpoints:
  - port: metrics
    path: /stats/prometheus
    interval: 30s
    timeout: 10s
    scheme: http
    metricRelabeling: [{action: drop, sourceLabels: [__name__], regex: envoy_server_.*}]
  limits: {samples: 5000}
  targetLabels: {fromPod: [{from: app, to: app}]}
  filterRunning: true
`

// TestPodMonitoring installs the kinds of managed collection on an API server, and checks that it
// sets their defaults and refuses invalid objects.
func TestPodMonitoring(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	for range 2 { // the second time nothing changes
		installPrometheus(t)
	}
	created, err := apply(t, monitoring, false)
	if err != nil {
		t.Fatal(err)
	}
	labels, _, err := unstructured.NestedStringSlice(created.Object, "spec", "targetLabels", "metadata")
	if diff := cmp.Diff([]string{"container", "pod", "top_level_controller_name", "top_level_controller_type"}, labels); diff != "" || err != nil {
		t.Errorf("default labels differ (-want +got): %v\n%s", err, diff)
	}
	if again, err := apply(t, monitoring, false); err != nil || again.GetGeneration() != created.GetGeneration() {
		t.Errorf("the same again: %v, and it counts as a change", err)
	}

	for name, k := range map[string]struct{ text, want string }{
		"another interval": {strings.ReplaceAll(monitoring, "30s", "15s"), ""},
		"no interval":      {strings.Replace(monitoring, "    interval: 30s\n", "", 1), "spec.endpoints[0].interval: Required value"},
		"interval":         {strings.ReplaceAll(monitoring, "30s", "often"), "spec.endpoints[0].interval"},
		"long timeout":     {strings.ReplaceAll(monitoring, "10s", "1m"), "timeout must not be greater than the scrape interval"},
		"scheme":           {strings.ReplaceAll(monitoring, "scheme: http", "scheme: ftp"), "spec.endpoints[0].scheme"},
		"label":            {strings.ReplaceAll(monitoring, "to: app", "to: cluster"), "the label is protected"},
		"action":           {strings.ReplaceAll(monitoring, "action: drop", "action: labelmap"), "metricRelabeling[0].action"},
		"unknown field":    {strings.ReplaceAll(monitoring, "selector:", "selectors:"), "spec.selectors"},
		"cluster, labels":  {`{kind: ClusterPodMonitoring, metadata: {name: a}, spec: {selector: {}, endpoints: [{port: 9090, interval: 1m}], targetLabels: {metadata: [zone]}}}`, "spec.targetLabels.metadata[0]"},
		"cluster":          {`{kind: ClusterPodMonitoring, metadata: {name: a}, spec: {selector: {}, endpoints: [{port: 9090, interval: 1m}], targetLabels: {metadata: [namespace]}}}`, ""},
		"rules":            {`{kind: Rules, metadata: {name: a, namespace: default}, spec: {groups: [{name: g, interval: 30s, rules: [{alert: A, expr: up == 0, for: 5m}]}]}}`, ""},
		"cluster's rules":  {`{kind: ClusterRules, metadata: {name: a}, spec: {groups: [{name: g, interval: 30s, rules: [{record: r}]}]}}`, "rules[0].expr: Required value"},
	} {
		_, err := apply(t, k.text, true)
		if k.want == "" && err != nil || k.want != "" && (err == nil || !strings.Contains(err.Error(), k.want)) {
			t.Errorf("%s: got %v, want %q", name, err, k.want)
		}
	}
	client, err := clientset.NewForConfig(apiServer)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gmp-system", "gmp-public"} {
		if namespace, err := client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil || namespace.Status.Phase != corev1.NamespaceActive {
			t.Errorf("namespace %s: %v, %v, want it active", name, namespace.Status.Phase, err)
		}
	}
}

// apply applies an object of managed collection, as a trial if dryRun, in the way Pulumi's
// Kubernetes provider does.
func apply(t *testing.T, text string, dryRun bool) (*unstructured.Unstructured, error) {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	kinds := schema.GroupVersion{Group: "monitoring.googleapis.com", Version: "v1"}
	object.SetAPIVersion(kinds.String())
	client, err := dynamic.NewForConfig(apiServer)
	if err != nil {
		t.Fatal(err)
	}
	plural := strings.TrimSuffix(strings.ToLower(object.GetKind()), "s") + "s"
	options := metav1.ApplyOptions{FieldManager: "test", Force: true}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return client.Resource(kinds.WithResource(plural)).Namespace(object.GetNamespace()).Apply(bounded(t), object.GetName(), object, options)
}

func installPrometheus(t *testing.T) {
	t.Helper()
	objects, err := render("files/prometheus", prometheusKinds)
	if err != nil {
		t.Fatal(err)
	}
	if err := applyAll(bounded(t), apiServer, objects); err != nil {
		t.Fatal(err)
	}
}

func TestAddonsOfManagedCollection(t *testing.T) {
	t.Parallel()
	c := &Cluster{plane: testPlane(t)}
	names := map[bool][]string{}
	for _, managed := range []bool{false, true} {
		objects, err := c.addons(managed)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			if strings.Contains(object.GetName(), "monitoring.googleapis.com") || object.GetKind() == "Namespace" {
				names[managed] = append(names[managed], object.GetName())
			}
		}
	}
	want := map[bool][]string{true: {
		"podmonitorings.monitoring.googleapis.com", "clusterpodmonitorings.monitoring.googleapis.com", "gmp-system", "gmp-public",
		"rules.monitoring.googleapis.com", "clusterrules.monitoring.googleapis.com",
	}}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("with and without managed collection (-want +got):\n%s", diff)
	}
}
