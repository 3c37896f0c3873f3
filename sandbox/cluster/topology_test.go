package cluster

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// TestPodsGetTheirNodesTopology checks that a pod gets the zone and region of its node as labels
// when it is bound.
func TestPodsGetTheirNodesTopology(t *testing.T) {
	t.Parallel()
	client, err := kubernetes.NewForConfig(apiServer)
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"topology.kubernetes.io/zone": "us-central1-b", "topology.kubernetes.io/region": "us-central1"}
	ctx, pods := bounded(t), client.CoreV1().Pods("default")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "topology", Labels: labels}}
	if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "topology"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "echo", Image: "registry.test/echo:1"}}}}
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "topology"}, Target: corev1.ObjectReference{Kind: "Node", Name: "topology"}}
	if err := pods.Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bound, err := pods.Get(ctx, "topology", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range labels {
		if got := bound.Labels[key]; got != want {
			t.Errorf("label %s of the bound pod is %q, want its node's, %q", key, got, want)
		}
	}
}
