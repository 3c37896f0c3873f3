package kubernetes

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"example.com/grpc-edge/sandbox/controlplanetest"
)

const (
	deploymentToken = "kubernetes:apps/v1:Deployment"
	configMapToken  = "kubernetes:core/v1:ConfigMap"
	secretToken     = "kubernetes:core/v1:Secret"
	serviceToken    = "kubernetes:core/v1:Service"
)

const deployment = `
spec:
  replicas: 2
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - name: echo
        image: registry.test/echo:1
        resources: {requests: {cpu: "0.5", memory: 1024Mi}, limits: {cpu: 1000m}}
        readinessProbe: {grpc: {port: 8080}}
`

func TestDeploymentLifecycle(t *testing.T) {
	t.Parallel()
	c, namespace := newClient(t)
	playKubelet(t, namespace, readyPod)
	s := c.mustCreate(deploymentToken, "echo", deployment)
	if !regexp.MustCompile("^" + namespace + "/echo-[0-9a-f]{8}$").MatchString(s.id) {
		t.Errorf("ID is %q, want %s/echo-<8 hexadecimal digits>", s.id, namespace)
	}
	ready := s.outputs.Fields["status"].GetStructValue().Fields["readyReplicas"].GetNumberValue()
	if ready != 2 {
		t.Errorf("Create() returned with %v ready replicas, want 2", ready)
	}

	if resp := c.diff(s, manifest(t, deployment)); resp.Changes != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("the same inputs differ: %v", resp.DetailedDiff)
	}
	newer := manifest(t, strings.ReplaceAll(deployment, "echo:1", "echo:2"))
	resp := c.diff(s, newer)
	if change := resp.DetailedDiff["spec.template.spec.containers[0].image"]; len(resp.DetailedDiff) != 1 ||
		change.GetKind() != pulumirpc.PropertyDiff_UPDATE || len(resp.Replaces) > 0 {
		t.Errorf("another image gives %v, replaces %v; want one update", resp.DetailedDiff, resp.Replaces)
	}
	if err := c.update(s, newer); err != nil {
		t.Fatal(err)
	}
	for _, pod := range mustPods(t, namespace) {
		if image := pod.Spec.Containers[0].Image; image != "registry.test/echo:2" {
			t.Errorf("after Update() returned, pod %s still runs %s", pod.Name, image)
		}
	}
	if err := c.delete(s); err != nil {
		t.Fatal(err)
	}
	if pods := mustPods(t, namespace); len(pods) != 0 {
		t.Errorf("after Delete() returned, %d pods are left", len(pods))
	}
	if err := c.delete(s); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
	if read, err := c.read(s); err != nil || read.Id != "" {
		t.Errorf("Read() of what is gone = %q, %v; want no ID", read.GetId(), err)
	}
}

func mustPods(t *testing.T, namespace string) []corev1.Pod {
	t.Helper()
	pods, err := direct(t).typed.CoreV1().Pods(namespace).List(bounded(t), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var running []corev1.Pod
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			running = append(running, pod)
		}
	}
	return running
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

func TestSecretOutputsAreSecret(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	inputs := c.check(secretToken, "s", nil, manifest(t, `data: {key: eA==}`))
	resp, err := c.Create(bounded(t), &pulumirpc.CreateRequest{Type: secretToken, Properties: inputs})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := plugin.UnmarshalProperties(resp.Properties, plugin.MarshalOptions{KeepSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	if !outputs["data"].IsSecret() || outputs["metadata"].IsSecret() {
		t.Errorf("data is secret: %v, metadata is secret: %v", outputs["data"].IsSecret(), outputs["metadata"].IsSecret())
	}
}

func TestNotReadyIsExplainedAndKept(t *testing.T) {
	t.Parallel()
	c, namespace := newClient(t)
	playKubelet(t, namespace, corev1.PodStatus{
		Phase: corev1.PodPending,
		ContainerStatuses: []corev1.ContainerStatus{{Name: "echo", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"},
		}}},
	})
	inputs := manifest(t, "metadata: {annotations: {pulumi.com/timeoutSeconds: '3'}}"+deployment)
	s, err := c.create(deploymentToken, "echo", inputs)
	if err == nil {
		t.Fatal("creating a Deployment whose image does not exist succeeded")
	}
	for _, want := range []string{"Deployment " + namespace + "/echo-", "not ready after 3s", "Available",
		"container echo: ImagePullBackOff: no such image"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if s.id == "" || s.outputs == nil {
		t.Fatal("the error does not carry the object that was created")
	}
	if _, err := c.read(s); err == nil || !strings.Contains(err.Error(), "ImagePullBackOff") {
		t.Errorf("Read() of an object that is not ready: %v, want why", err)
	}
	if err := c.delete(s); err != nil {
		t.Fatal(err)
	}
}

func TestLoadBalancerIsAwaited(t *testing.T) {
	t.Parallel()
	c, namespace := newClient(t)
	created := make(chan *state, 1)
	go func() {
		s, err := c.create(serviceToken, "edge", manifest(t, `{metadata: {name: edge}, spec: {type: LoadBalancer, ports: [{port: 443}]}}`))
		if err != nil {
			t.Errorf("creating the Service: %v", err)
		}
		created <- s
	}()
	services := direct(t).typed.CoreV1().Services(namespace)
	eventually(t, "the Service to be made", func() bool {
		_, err := services.Get(bounded(t), "edge", metav1.GetOptions{})
		return err == nil
	})
	select {
	case <-created:
		t.Fatal("Create() returned before the load balancer had an address")
	case <-time.After(time.Second):
	}
	patch := []byte(`{"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.7"}]}}}`)
	if _, err := services.Patch(bounded(t), "edge", types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	if s := <-created; !strings.Contains(s.outputs.String(), "203.0.113.7") {
		t.Errorf("the outputs lack the address: %v", s.outputs)
	}
}

// Two provider resources share the server: cancelling one engine's run stops
// its wait and leaves the other's alone.
func TestCancelStopsOnlyItsOwnRun(t *testing.T) {
	t.Parallel()
	address := serve(t)
	config := map[string]any{"kubeconfig": kubeconfig}
	waiting, other := dial(t, address, config), dial(t, address, config)
	ended := make(chan error, 1)
	go func() {
		_, err := waiting.create(deploymentToken, "cancelled", manifest(t, deployment))
		ended <- err
	}()
	time.Sleep(time.Second)
	if _, err := waiting.Cancel(bounded(t), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "cancel") {
			t.Errorf("the cancelled wait ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the wait went on for 10 s after Cancel")
	}
	s := other.mustCreate(configMapToken, "other", `data: {a: b}`)
	if err := other.delete(s); err != nil {
		t.Error(err)
	}
}

func TestPreviewFindsMistakes(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	cases := []struct{ name, token, inputs, want string }{
		{"a wrong value", serviceToken, `spec: {ports: [{port: 99999}]}`, "spec.ports[0].port"},
		{"a field that does not exist", serviceToken, `spec: {prots: []}`, "prots"},
		{"a namespace that is not there yet", configMapToken, `{metadata: {namespace: later}, data: {a: b}}`, ""},
		{"a kind that is not there yet", "kubernetes:later.test/v1:Thing", `spec: {a: b}`, ""},
		{"a value that is not known yet", configMapToken, `data: {a: ` + plugin.UnknownStringValue + `}`, ""},
		{"nothing wrong", configMapToken, `data: {a: b}`, ""},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := &client{c.ResourceProviderClient, t}
			inputs := c.check(k.token, "preview", nil, manifest(t, k.inputs))
			resp, err := c.Create(bounded(t), &pulumirpc.CreateRequest{Type: k.token, Properties: inputs, Preview: true})
			if k.want == "" {
				if err != nil || resp.Properties == nil || resp.Id != "" {
					t.Errorf("preview = %v, %v; want properties without ID", resp, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), k.want) {
				t.Errorf("preview gives error %v, want one about %q", err, k.want)
			}
		})
	}
}

// A kind that was unknown a moment ago is found once its CRD is ready.
func TestCustomResource(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t)
	crd := c.mustCreate("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "crd", `
metadata: {name: things.grpc-edge.test}
spec:
  group: grpc-edge.test
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
	thing := c.mustCreate("kubernetes:grpc-edge.test/v1:Thing", "thing", `spec: {a: 1}`)
	if got := mustRead(t, c, thing); !cmp.Equal(got.Inputs.AsMap(), thing.inputs.AsMap()) {
		t.Errorf("inputs read back differ:\n%s", cmp.Diff(thing.inputs.AsMap(), got.Inputs.AsMap()))
	}
	imported, err := c.Read(bounded(t), &pulumirpc.ReadRequest{Id: thing.id, Type: thing.token})
	if err != nil || !cmp.Equal(imported.Inputs.AsMap(), thing.inputs.AsMap()) {
		t.Errorf("import: %v, inputs differ:\n%s", err, cmp.Diff(thing.inputs.AsMap(), imported.GetInputs().AsMap()))
	}
	if err := c.delete(crd); err != nil {
		t.Fatal(err)
	}
	if err := c.delete(thing); err != nil {
		t.Errorf("deleting an object whose kind is gone: %v", err)
	}
}

// An object that no rule knows is ready when the condition of its annotation is, of
// what the object is now.
func TestWaitForCondition(t *testing.T) {
	t.Parallel()
	c, namespace := newClient(t)
	c.mustCreate("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "crd", `
metadata: {name: leaves.grpc-edge.test}
spec:
  group: grpc-edge.test
  scope: Namespaced
  names: {kind: Leaf, plural: leaves}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
	const token, ready = "kubernetes:grpc-edge.test/v1:Leaf", "metadata: {name: leaf, annotations: {pulumi.com/waitFor: condition=Ready, pulumi.com/timeoutSeconds: '2'}}\n"
	s, err := c.create(token, "leaf", manifest(t, ready+`spec: {a: 1}`))
	if err == nil || !strings.Contains(err.Error(), "Leaf "+namespace+"/leaf is not ready after 2s: waiting for condition Ready=True, which nothing has set yet") {
		t.Errorf("nobody makes it ready: %v", err)
	}
	set := func(status string, generation int) {
		t.Helper()
		live, err := direct(t).get(bounded(t), objectOf(s.outputs))
		if err != nil {
			t.Fatal(err)
		}
		live.Object["status"] = map[string]any{"conditions": []any{map[string]any{
			"type": "Ready", "status": status, "message": "no such issuer", "observedGeneration": int64(generation),
		}}}
		api, err := direct(t).api(live)
		if err == nil {
			_, err = api.UpdateStatus(bounded(t), live, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set("False", 1)
	if _, err := c.read(s); err == nil || !strings.Contains(err.Error(), "no such issuer") {
		t.Errorf("it is not ready: %v, want the condition's message", err)
	}
	set("True", 1)
	if err := c.update(s, manifest(t, ready+`spec: {a: 1}`)); err != nil {
		t.Errorf("it is ready: %v", err)
	}
	if err := c.update(s, manifest(t, ready+`spec: {a: 2}`)); err == nil {
		t.Error("it was ready as it was before, and counts as ready")
	}
	set("True", 2)
	if _, err := c.read(s); err != nil {
		t.Errorf("it is ready again: %v", err)
	}
	response, err := c.Check(bounded(t), &pulumirpc.CheckRequest{Type: token, Name: "x", News: manifest(t, `metadata: {annotations: {pulumi.com/waitFor: "jsonpath={.a}"}}`)})
	if err != nil || len(response.GetFailures()) != 1 || !strings.Contains(response.GetFailures()[0].Reason, "waits for conditions only") {
		t.Errorf("what it does not wait for: %v, %v, want a refusal", response.GetFailures(), err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	c, namespace := newClient(t)
	t.Run("fields of others", func(t *testing.T) {
		s := c.mustCreate(configMapToken, "taken", `data: {a: "1"}`)
		live := objectOf(s.outputs)
		patch := []byte(`{"data":{"a":"x"}}`)
		if _, err := direct(t).typed.CoreV1().ConfigMaps(namespace).Patch(bounded(t), live.GetName(),
			types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "someone"}); err != nil {
			t.Fatal(err)
		}
		err := c.update(s, manifest(t, `data: {a: "2"}`))
		if err == nil || !strings.Contains(err.Error(), "someone") || !strings.Contains(err.Error(), annotationForce) {
			t.Errorf("applying a field that someone else changed: %v; want who, and annotation %s", err, annotationForce)
		}
		if err := c.update(s, manifest(t, `{metadata: {annotations: {`+annotationForce+`: "true"}}, data: {a: "2"}}`)); err != nil {
			t.Errorf("with annotation %s: %v", annotationForce, err)
		}
		if _, err := direct(t).typed.CoreV1().ConfigMaps(namespace).Patch(bounded(t), live.GetName(),
			types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "someone"}); err != nil {
			t.Fatal(err)
		}
		forcing := dial(t, serve(t), map[string]any{"kubeconfig": kubeconfig, "namespace": namespace, "enablePatchForce": "true"})
		if err := forcing.update(s, manifest(t, `{metadata: {annotations: {`+annotationForce+`: "false"}}, data: {a: "2"}}`)); err == nil {
			t.Errorf("annotation %s: \"false\" does not count more than the provider's setting", annotationForce)
		}
		if err := forcing.update(s, manifest(t, `data: {a: "2"}`)); err != nil {
			t.Errorf("with enablePatchForce: %v", err)
		}
	})
	t.Run("an object that exists", func(t *testing.T) {
		named := `{metadata: {name: named}, data: {a: "1"}}`
		c.mustCreate(configMapToken, "named", named)
		if _, err := c.create(configMapToken, "named", manifest(t, named)); err == nil || !strings.Contains(err.Error(), "already exists") {
			t.Errorf("creating what exists: %v, want to be told", err)
		}
		upserting := dial(t, serve(t), map[string]any{"kubeconfig": kubeconfig, "namespace": namespace, "upsertExistingObjects": "true"})
		if _, err := upserting.create(configMapToken, "named", manifest(t, named)); err != nil {
			t.Errorf("with upsertExistingObjects: %v", err)
		}
	})
	t.Run("cluster that does not answer", func(t *testing.T) {
		host := controlplanetest.FreeAddress()
		dead := dial(t, serve(t), map[string]any{"kubeconfig": regexp.MustCompile("https://[^\"]+").ReplaceAllString(kubeconfig, "https://"+host)})
		s := &state{token: configMapToken, id: "default/x", outputs: manifest(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: default}}`)}
		err := dead.delete(s)
		if err == nil || !strings.Contains(err.Error(), "reaching the Kubernetes API server at https://"+host) {
			t.Errorf("Delete() in a cluster that does not answer: %v", err)
		}
	})
	t.Run("a provider that is not configured", func(t *testing.T) {
		_, err := New().Diff(context.Background(), &pulumirpc.DiffRequest{})
		if err == nil || !strings.Contains(err.Error(), "not configured") {
			t.Errorf("Diff() before Configure(): %v", err)
		}
	})
}
