package kubernetes

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// serve serves the provider on loopback, as the sandbox does.
func serve(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, New())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// client is an engine's connection for one provider resource.
type client struct {
	pulumirpc.ResourceProviderClient
	t *testing.T
}

func dial(t *testing.T, address string, config map[string]any) *client {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{pulumirpc.NewResourceProviderClient(conn), t}
	if _, err := c.Configure(bounded(t), &pulumirpc.ConfigureRequest{Args: bag(t, config)}); err != nil {
		t.Fatal(err)
	}
	return c
}

// newClient is a client of the test's cluster, working in a new namespace.
func newClient(t *testing.T) (*client, string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	created, err := direct(t).typed.CoreV1().Namespaces().Create(bounded(t), namespace, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, serve(t), map[string]any{"kubeconfig": kubeconfig, "namespace": created.Name})
	return c, created.Name
}

// direct reaches the cluster past the provider.
func direct(t *testing.T) *cluster {
	t.Helper()
	c, err := connect(map[string]any{"kubeconfig": kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func bag(t *testing.T, properties map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(properties)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// manifest reads inputs written as YAML.
func manifest(t *testing.T, text string) *structpb.Struct {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	return bag(t, content)
}

// state is what an engine keeps of a resource.
type state struct {
	token, id       string
	inputs, outputs *structpb.Struct
}

func (c *client) check(token, name string, olds, news *structpb.Struct) *structpb.Struct {
	c.t.Helper()
	resp, err := c.Check(bounded(c.t), &pulumirpc.CheckRequest{
		Type: token, Name: name, Olds: olds, News: news, RandomSeed: []byte("12345678901234567890123456789012"),
	})
	if err != nil || len(resp.GetFailures()) > 0 {
		c.t.Fatalf("Check(%s): %v %v", token, resp.GetFailures(), err)
	}
	return resp.GetInputs()
}

// create does what an engine does for a new resource. On failure the state has
// what the provider says it left in the cluster.
func (c *client) create(token, name string, news *structpb.Struct) (*state, error) {
	c.t.Helper()
	s := &state{token: token, inputs: c.check(token, name, nil, news)}
	resp, err := c.Create(bounded(c.t), &pulumirpc.CreateRequest{Type: token, Properties: s.inputs})
	s.id, s.outputs = resp.GetId(), plain(c.t, resp.GetProperties())
	for _, detail := range status.Convert(err).Details() {
		if partial, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
			s.id, s.outputs = partial.GetId(), plain(c.t, partial.GetProperties())
		}
	}
	return s, err
}

func (c *client) mustCreate(token, name, text string) *state {
	c.t.Helper()
	s, err := c.create(token, name, manifest(c.t, text))
	if err != nil {
		c.t.Fatalf("creating %s: %v", name, err)
	}
	return s
}

func (c *client) diff(s *state, news *structpb.Struct) *pulumirpc.DiffResponse {
	c.t.Helper()
	resp, err := c.Diff(bounded(c.t), &pulumirpc.DiffRequest{
		Type: s.token, Id: s.id, Olds: s.outputs, OldInputs: s.inputs, News: c.check(s.token, "again", s.inputs, news),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

func (c *client) update(s *state, news *structpb.Struct) error {
	c.t.Helper()
	checked := c.check(s.token, "again", s.inputs, news)
	resp, err := c.Update(bounded(c.t), &pulumirpc.UpdateRequest{
		Type: s.token, Id: s.id, Olds: s.outputs, OldInputs: s.inputs, News: checked,
	})
	if err == nil {
		s.inputs, s.outputs = checked, plain(c.t, resp.GetProperties())
	}
	return err
}

func (c *client) read(s *state) (*pulumirpc.ReadResponse, error) {
	c.t.Helper()
	return c.Read(bounded(c.t), &pulumirpc.ReadRequest{
		Type: s.token, Id: s.id, Properties: s.outputs, Inputs: s.inputs,
	})
}

func (c *client) delete(s *state) error {
	c.t.Helper()
	_, err := c.Delete(bounded(c.t), &pulumirpc.DeleteRequest{
		Type: s.token, Id: s.id, Properties: s.outputs, Timeout: 60,
	})
	return err
}

// plain takes secret markers away, as the engine does for this provider.
func plain(t *testing.T, properties *structpb.Struct) *structpb.Struct {
	t.Helper()
	if properties == nil {
		return nil
	}
	values, err := plugin.UnmarshalProperties(properties, plugin.MarshalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return bag(t, values.Mappable())
}

// playKubelet gives every pod of the namespace the status, again and again
// until the test ends.
func playKubelet(t *testing.T, namespace string, podStatus corev1.PodStatus) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"status": podStatus})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	pods := direct(t).typed.CoreV1().Pods(namespace)
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			list, err := pods.List(ctx, metav1.ListOptions{})
			for i := 0; err == nil && i < len(list.Items); i++ {
				pod := list.Items[i]
				if pod.DeletionTimestamp != nil {
					now := int64(0)
					_ = pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
				}
				_, _ = pods.Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
}

var readyPod = corev1.PodStatus{
	Phase:      corev1.PodRunning,
	Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
}
