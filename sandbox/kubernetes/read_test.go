package kubernetes

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Objects written in ways that the API server changes, read right after they
// were made, are as the program set them.
func TestReadShowsDriftAndNothingElse(t *testing.T) {
	t.Parallel()
	c, namespace := newClient(t)
	playKubelet(t, namespace, readyPod)
	cases := []struct{ name, token, inputs, patch, path, value string }{
		{"deployment", deploymentToken, deployment, `{"spec":{"replicas":5}}`, "spec.replicas", "5"},
		{"config map", configMapToken, `data: {a: "1", b: "2"}`, `{"data":{"a":"x"}}`, "data.a", "x"},
		{"config map, key removed", configMapToken, `data: {a: "1", b: "2"}`, `{"data":{"a":null}}`, "data.a", ""},
		{"secret", secretToken, `stringData: {key: hidden}`, `{"data":{"key":"eHg="}}`, "stringData.key", "xx"},
		{"service", serviceToken, `spec: {ports: [{port: 80}], selector: {app: x}}`,
			`{"spec":{"selector":{"app":"y"}}}`, "spec.selector.app", "y"},
		{"network policy", "kubernetes:networking.k8s.io/v1:NetworkPolicy",
			`spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}`,
			`{"spec":{"podSelector":{"matchLabels":{"a":"b"}},"ingress":[]}}`, "spec.ingress", ""},
		{"budget", "kubernetes:policy/v1:PodDisruptionBudget",
			`spec: {maxUnavailable: 25%, selector: {matchLabels: {app: other}}}`,
			`{"spec":{"maxUnavailable":1}}`, "spec.maxUnavailable", "1"},
		{"role binding", "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
			`{roleRef: {kind: Role, name: r, apiGroup: rbac.authorization.k8s.io}, subjects: [{kind: ServiceAccount, name: s, namespace: other}]}`,
			`{"metadata":{"annotations":{"noticed":"no"}}}`, "", ""},
	}
	for i, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := &client{c.ResourceProviderClient, t}
			s := c.mustCreate(k.token, fmt.Sprintf("drift%d", i), k.inputs)
			if got := mustRead(t, c, s); !cmp.Equal(got.Inputs.AsMap(), s.inputs.AsMap()) {
				t.Errorf("inputs read back differ (-set +read):\n%s", cmp.Diff(s.inputs.AsMap(), got.Inputs.AsMap()))
			}
			live := objectOf(s.outputs)
			api, err := direct(t).api(live)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := api.Patch(bounded(t), live.GetName(), types.MergePatchType, []byte(k.patch), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			var paths []string
			eventually(t, "the objects to be ready again", func() bool {
				got, err := c.read(s)
				if err != nil {
					return false
				}
				resp, err := c.Diff(bounded(t), &pulumirpc.DiffRequest{
					Type: k.token, Olds: s.outputs, OldInputs: got.Inputs, News: s.inputs,
				})
				if err != nil {
					t.Fatal(err)
				}
				paths = resp.Diffs
				if k.path != "" {
					checkValue(t, got.Inputs, k.path, k.value)
				}
				return true
			})
			if want := strings.Fields(k.path); !cmp.Equal(paths, want) && (len(paths) > 0 || len(want) > 0) {
				t.Errorf("drift shows as changes of %q, want %q", paths, want)
			}
		})
	}
}

func mustRead(t *testing.T, c *client, s *state) *pulumirpc.ReadResponse {
	t.Helper()
	got, err := c.read(s)
	if err != nil {
		t.Fatalf("reading %s: %v", s.id, err)
	}
	return got
}

// checkValue compares the input at the path; empty means that there is none.
func checkValue(t *testing.T, inputs *structpb.Struct, path, want string) {
	t.Helper()
	properties, err := plugin.UnmarshalProperties(inputs, plugin.MarshalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if value, found := parsed.Get(resource.NewProperty(properties)); found {
		if value.IsNumber() {
			got = strconv.FormatFloat(value.NumberValue(), 'f', -1, 64)
		} else {
			got = value.StringValue()
		}
	}
	if got != want {
		t.Errorf("input %s is %q after the change in the cluster, want %q", path, got, want)
	}
}
