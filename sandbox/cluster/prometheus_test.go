package cluster

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/sandbox/kubernetes"
)

const monitoringToken = "kubernetes:monitoring.googleapis.com/v1:PodMonitoring"

const monitoring = `
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

// The life of a PodMonitoring as Pulumi drives it, from a preview before the
// cluster knows its kind to its end.
func TestPodMonitoring(t *testing.T) {
	t.Parallel()
	ctx, provider := bounded(t), kubernetes.New()
	if _, err := provider.Configure(ctx, &pulumirpc.ConfigureRequest{Args: inputs(t, "kubeconfig: "+kubeconfigFile(t))}); err != nil {
		t.Fatal(err)
	}
	create := func(token, text string, preview bool) (*pulumirpc.CheckResponse, *pulumirpc.CreateResponse, error) {
		t.Helper()
		checked, err := provider.Check(ctx, &pulumirpc.CheckRequest{Type: token, Name: "m", News: inputs(t, text)})
		if err != nil || len(checked.GetFailures()) > 0 {
			t.Fatalf("Check() = %v, %v", checked, err)
		}
		created, err := provider.Create(ctx, &pulumirpc.CreateRequest{Type: token, Properties: checked.GetInputs(), Preview: preview})
		return checked, created, err
	}
	if _, _, err := create(monitoringToken, monitoring, true); err != nil {
		t.Errorf("a preview in a cluster without managed collection: %v", err)
	}
	if _, _, err := create(monitoringToken, monitoring, false); err == nil || !strings.Contains(err.Error(), "CustomResourceDefinition") {
		t.Errorf("creating a PodMonitoring in a cluster without managed collection: %v, want what is missing", err)
	}
	for range 2 { // the second time nothing changes
		installPrometheus(t)
	}

	checked, created, err := create(monitoringToken, monitoring, false)
	if err != nil {
		t.Fatal(err)
	}
	labels := created.Properties.Fields["spec"].GetStructValue().Fields["targetLabels"].GetStructValue().Fields["metadata"].GetListValue()
	if diff := cmp.Diff([]any{"container", "pod", "top_level_controller_name", "top_level_controller_type"}, labels.AsSlice()); diff != "" {
		t.Errorf("default labels differ (-want +got):\n%s", diff)
	}
	read, err := provider.Read(ctx, &pulumirpc.ReadRequest{Type: monitoringToken, Id: created.Id, Properties: created.Properties, Inputs: checked.Inputs})
	if err != nil || !cmp.Equal(read.Inputs.AsMap(), checked.Inputs.AsMap()) {
		t.Errorf("refresh: %v, inputs differ:\n%s", err, cmp.Diff(checked.Inputs.AsMap(), read.GetInputs().AsMap()))
	}
	newer := inputs(t, strings.ReplaceAll(monitoring, "30s", "15s"))
	for name, news := range map[string]*structpb.Struct{"the same": inputs(t, monitoring), "another interval": newer} {
		again, err := provider.Check(ctx, &pulumirpc.CheckRequest{Type: monitoringToken, Name: "m", Olds: checked.Inputs, News: news})
		if err != nil {
			t.Fatal(err)
		}
		diff, err := provider.Diff(ctx, &pulumirpc.DiffRequest{Type: monitoringToken, Olds: created.Properties, OldInputs: checked.Inputs, News: again.Inputs})
		if err != nil || len(diff.Replaces) > 0 || (news == newer) != (diff.DetailedDiff["spec.endpoints[0].interval"] != nil) || len(diff.DetailedDiff) > 1 {
			t.Errorf("%s: diff %v, %v", name, diff, err)
		}
	}
	if _, err := provider.Delete(ctx, &pulumirpc.DeleteRequest{Type: monitoringToken, Id: created.Id, Properties: created.Properties}); err != nil {
		t.Error(err)
	}

	for name, k := range map[string]struct{ token, text, want string }{
		"no interval":     {monitoringToken, strings.Replace(monitoring, "    interval: 30s\n", "", 1), "spec.endpoints[0].interval: Required value"},
		"interval":        {monitoringToken, strings.ReplaceAll(monitoring, "30s", "often"), "spec.endpoints[0].interval"},
		"long timeout":    {monitoringToken, strings.ReplaceAll(monitoring, "10s", "1m"), "timeout must not be greater than the scrape interval"},
		"scheme":          {monitoringToken, strings.ReplaceAll(monitoring, "scheme: http", "scheme: ftp"), "spec.endpoints[0].scheme"},
		"label":           {monitoringToken, strings.ReplaceAll(monitoring, "to: app", "to: cluster"), "the label is protected"},
		"action":          {monitoringToken, strings.ReplaceAll(monitoring, "action: drop", "action: labelmap"), "metricRelabeling[0].action"},
		"unknown field":   {monitoringToken, strings.ReplaceAll(monitoring, "selector:", "selectors:"), "spec.selectors"},
		"cluster, labels": {"kubernetes:monitoring.googleapis.com/v1:ClusterPodMonitoring", `{metadata: {name: a}, spec: {selector: {}, endpoints: [{port: 9090, interval: 1m}], targetLabels: {metadata: [zone]}}}`, "spec.targetLabels.metadata[0]"},
		"cluster":         {"kubernetes:monitoring.googleapis.com/v1:ClusterPodMonitoring", `{metadata: {name: a}, spec: {selector: {}, endpoints: [{port: 9090, interval: 1m}], targetLabels: {metadata: [namespace]}}}`, ""},
		"rules":           {"kubernetes:monitoring.googleapis.com/v1:Rules", `{metadata: {name: a}, spec: {groups: [{name: g, interval: 30s, rules: [{alert: A, expr: up == 0, for: 5m}]}]}}`, ""},
		"cluster's rules": {"kubernetes:monitoring.googleapis.com/v1:ClusterRules", `{metadata: {name: a}, spec: {groups: [{name: g, interval: 30s, rules: [{record: r}]}]}}`, "rules[0].expr: Required value"},
	} {
		_, _, err := create(k.token, k.text, true)
		if k.want == "" && err != nil || k.want != "" && (err == nil || !strings.Contains(err.Error(), k.want)) {
			t.Errorf("%s: preview gives %v, want %q", name, err, k.want)
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

// kubeconfigFile is a kubeconfig of the test's API server.
func kubeconfigFile(t *testing.T) string {
	t.Helper()
	config := api.NewConfig()
	config.Clusters["test"] = &api.Cluster{Server: apiServer.Host, InsecureSkipTLSVerify: true}
	config.AuthInfos["test"] = &api.AuthInfo{Token: apiServer.BearerToken}
	config.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// inputs reads a resource's inputs written as YAML.
func inputs(t *testing.T, text string) *structpb.Struct {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	s, err := structpb.NewStruct(content)
	if err != nil {
		t.Fatal(err)
	}
	return s
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
