package kubernetes

import (
	"context"
	"slices"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func TestReplaceRules(t *testing.T) {
	t.Parallel()
	const named = `{metadata: {name: a, namespace: n}, `
	cases := []struct {
		name, token, olds, news string
		config                  map[string]any
		replaces                string // space-separated
		deleteFirst             bool
	}{
		{"name", configMapToken, `{metadata: {name: a}}`, `{metadata: {name: b}}`, nil, "metadata.name", false},
		{"namespace", configMapToken, `{metadata: {name: a, namespace: b}}`, `{metadata: {name: a, namespace: c}}`, nil,
			"metadata.namespace", false},
		{"labels", configMapToken, `{metadata: {name: a}}`, `{metadata: {name: a, labels: {x: y}}}`, nil, "", false},
		{"config map of a given name", configMapToken, named + `data: {a: x}}`, named + `data: {a: y}}`, nil, "data.a", true},
		{"config map of a chosen name", configMapToken,
			`{metadata: {name: a, annotations: {pulumi.com/autonamed: "true"}}, data: {a: x}}`,
			`{metadata: {name: a, annotations: {pulumi.com/autonamed: "true"}}, data: {a: y}}`, nil, "data.a", false},
		{"first data of a config map", configMapToken, named + `}`, named + `data: {a: y}}`, nil, "data", true},
		{"mutable config map", configMapToken, named + `data: {a: x}}`, named + `data: {a: y}}`,
			map[string]any{"enableConfigMapMutable": true}, "", false},
		{"immutable config map", configMapToken, named + `immutable: true, data: {a: x}}`,
			named + `immutable: true, data: {a: y}}`, map[string]any{"enableConfigMapMutable": "true"}, "data.a", true},
		{"secret", secretToken, named + `stringData: {"tls.key": x}}`, named + `stringData: {"tls.key": y}}`, nil,
			`stringData["tls.key"]`, true},
		{"type of a mutable secret", secretToken, named + `type: a}`, named + `type: b}`,
			map[string]any{"enableSecretMutable": "true"}, "type", true},
		{"selector", deploymentToken, named + `spec: {selector: {matchLabels: {a: x}}}}`,
			named + `spec: {selector: {matchLabels: {a: y}}}}`, nil, "spec.selector.matchLabels.a", true},
		{"replicas", deploymentToken, named + `spec: {replicas: 1}}`, named + `spec: {replicas: 2}}`, nil, "", false},
		{"job", "kubernetes:batch/v1:Job", named + `spec: {template: {spec: {containers: [{image: a}]}}}}`,
			named + `spec: {template: {spec: {containers: [{image: b}]}}}}`, nil, "spec.template.spec.containers[0].image", true},
		{"image of a pod", "kubernetes:core/v1:Pod", named + `spec: {containers: [{image: a}]}}`,
			named + `spec: {containers: [{image: b}]}}`, nil, "spec.containers[0].image", true},
		{"service port", serviceToken, named + `spec: {ports: [{port: 1}]}}`, named + `spec: {ports: [{port: 2}]}}`, nil, "", false},
		{"service address", serviceToken, named + `spec: {clusterIP: None}}`, named + `spec: {clusterIP: 10.96.0.9}}`, nil,
			"spec.clusterIP", true},
		{"budget", "kubernetes:policy/v1:PodDisruptionBudget", named + `spec: {minAvailable: 1}}`,
			named + `spec: {minAvailable: 2}}`, nil, "", false},
		{"role of a binding", "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", named + `roleRef: {name: a}}`,
			named + `roleRef: {name: b}}`, nil, "roleRef.name", true},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := New()
			config := map[string]any{"kubeconfig": kubeconfig}
			for name, value := range k.config {
				config[name] = value
			}
			if _, err := p.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: bag(t, config)}); err != nil {
				t.Fatal(err)
			}
			kind, err := kindOf(k.token)
			if err != nil {
				t.Fatal(err)
			}
			olds, news := objectOf(manifest(t, k.olds)), objectOf(manifest(t, k.news))
			olds.SetGroupVersionKind(kind)
			news.SetGroupVersionKind(kind)
			resp, err := p.Diff(context.Background(), &pulumirpc.DiffRequest{
				Olds: bag(t, olds.Object), OldInputs: bag(t, olds.Object), News: bag(t, news.Object),
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Fields(k.replaces); !slices.Equal(resp.Replaces, want) || resp.DeleteBeforeReplace != k.deleteFirst {
				t.Errorf("replaces %q, deletes first: %v; want %q, %v", resp.Replaces, resp.DeleteBeforeReplace, want, k.deleteFirst)
			}
			if resp.Changes != pulumirpc.DiffResponse_DIFF_SOME {
				t.Errorf("Diff().Changes = %v, want DIFF_SOME", resp.Changes)
			}
		})
	}
}

func TestDiffConfig(t *testing.T) {
	t.Parallel()
	other := strings.ReplaceAll(kubeconfig, "https://", "https://other.")
	token := strings.ReplaceAll(kubeconfig, "token: test", "token: renewed")
	cases := []struct {
		name       string
		olds, news map[string]any
		changes    bool
		replaces   []string
	}{
		{"nothing", map[string]any{"kubeconfig": kubeconfig}, map[string]any{"kubeconfig": kubeconfig}, false, nil},
		{"new credentials", map[string]any{"kubeconfig": kubeconfig}, map[string]any{"kubeconfig": token}, true, nil},
		{"another cluster", map[string]any{"kubeconfig": kubeconfig}, map[string]any{"kubeconfig": other}, true,
			[]string{"kubeconfig"}},
		{"another address of the identified cluster", map[string]any{"kubeconfig": kubeconfig, "clusterIdentifier": "a"},
			map[string]any{"kubeconfig": other, "clusterIdentifier": "a"}, true, nil},
		{"another identity", map[string]any{"kubeconfig": kubeconfig, "clusterIdentifier": "a"},
			map[string]any{"kubeconfig": kubeconfig, "clusterIdentifier": "b"}, true, []string{"clusterIdentifier"}},
		{"an identity for the first time", map[string]any{"kubeconfig": kubeconfig},
			map[string]any{"kubeconfig": kubeconfig, "clusterIdentifier": "a"}, true, nil},
		{"not known yet", map[string]any{"kubeconfig": kubeconfig},
			map[string]any{"kubeconfig": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}, true, []string{"kubeconfig"}},
		{"not known yet, of the identified cluster", map[string]any{"kubeconfig": kubeconfig, "clusterIdentifier": "a"},
			map[string]any{"kubeconfig": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "clusterIdentifier": "a"}, true, nil},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			resp, err := New().DiffConfig(context.Background(), &pulumirpc.DiffRequest{
				OldInputs: bag(t, k.olds), News: bag(t, k.news),
			})
			if err != nil {
				t.Fatal(err)
			}
			if changes := resp.Changes == pulumirpc.DiffResponse_DIFF_SOME; changes != k.changes || !slices.Equal(resp.Replaces, k.replaces) {
				t.Errorf("DiffConfig() changes: %v, replaces %q; want %v, %q", changes, resp.Replaces, k.changes, k.replaces)
			}
		})
	}
}

func TestCheckConfigAndTypes(t *testing.T) {
	t.Parallel()
	resp, err := New().CheckConfig(context.Background(), &pulumirpc.CheckRequest{News: bag(t, map[string]any{
		"kubeconfig": "no such file", "enableServerSideApply": "false", "renderYamlToDirectory": "x",
	})})
	if err != nil || len(resp.Failures) != 3 {
		t.Errorf("CheckConfig() found %v, %v; want 3 problems", resp.GetFailures(), err)
	}
	for token, want := range map[string]string{
		"kubernetes:core/v1:Service":                     "/v1, Kind=Service",
		"kubernetes:apps/v1:Deployment":                  "apps/v1, Kind=Deployment",
		"kubernetes:networking.k8s.io/v1:NetworkPolicy":  "networking.k8s.io/v1, Kind=NetworkPolicy",
		"kubernetes:monitoring.googleapis.com/v1:Podmon": "monitoring.googleapis.com/v1, Kind=Podmon",
		"kubernetes:apps/v1:DeploymentPatch":             "",
		"kubernetes:core/v1:ConfigMapList":               "",
		"kubernetes:helm.sh/v3:Release":                  "",
		"kubernetes:yaml/v2:ConfigGroup":                 "",
		"gcp:compute/network:Network":                    "",
	} {
		kind, err := kindOf(token)
		if got := kind.String(); err == nil && got != want || err != nil && want != "" {
			t.Errorf("kindOf(%q) = %q, %v; want %q", token, got, err, want)
		}
	}
}
