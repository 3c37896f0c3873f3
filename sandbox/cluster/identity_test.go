package cluster

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/credentialplugin"
)

// TestPodCaller asks a real API server whose pod has an address.
func TestPodCaller(t *testing.T) {
	t.Parallel()
	ctx, client := bounded(t), kubernetes.NewForConfigOrDie(apiServer)
	const namespace = "identity"
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, annotations := range map[string]map[string]string{"shop": nil, "bound": {googleAccount: "shop@demo.iam.gserviceaccount.com"}} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Annotations: annotations}}
		if _, err := client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	started := func(name, account, node, address string, phase corev1.PodPhase) {
		t.Helper()
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
			Spec:       corev1.PodSpec{ServiceAccountName: account, NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		}
		made, err := client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		made.Status.Phase, made.Status.PodIP, made.Status.PodIPs = phase, address, []corev1.PodIP{{IP: address}}
		if _, err := client.CoreV1().Pods(namespace).UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	started("ended", "bound", "gke", "10.4.0.7", corev1.PodSucceeded)
	started("runs", "shop", "gke", "10.4.0.7", corev1.PodRunning)
	started("bound", "bound", "gke", "10.4.0.8", corev1.PodRunning)
	started("old", "shop", "gce", "10.4.0.9", corev1.PodRunning)

	c := &Cluster{plane: testPlane(t), nodes: map[string]*runningNode{}}
	c.plane.spec.WorkloadIdentity = true
	for name, pods := range map[string]bool{"gke": true, "gce": false} {
		c.nodes[name] = &runningNode{node: &node{name: name, pool: container.NodePoolSpec{ServiceAccount: "nodes@demo.iam.gserviceaccount.com", PodMetadata: pods}}}
	}
	identify := func(address string) (credentialplugin.Caller, error) {
		return c.podCaller(ctx, client, netip.MustParseAddr(address))
	}
	want := gcp.WorkloadPrincipal("demo", namespace, "shop")
	if caller, err := identify("10.4.0.7"); err != nil || caller.Identity != want || caller.Email != "demo.svc.id.goog" || caller.Project != "demo" {
		t.Errorf("the pod that runs is %+v, %v, want %s", caller, err, want)
	}
	if caller, err := identify("10.4.0.9"); err != nil || caller.Identity != "nodes@demo.iam.gserviceaccount.com" {
		t.Errorf("a pod on a node without GKE's metadata server is %+v, %v, want the node's account", caller, err)
	}
	for address, refusal := range map[string]string{"10.4.0.8": "does not emulate acting as a Google account", "10.4.0.1": "no pod has the address"} {
		if caller, err := identify(address); err == nil || !strings.Contains(err.Error(), refusal) {
			t.Errorf("%s is %+v, %v, want %q", address, caller, err, refusal)
		}
	}
	c.plane.spec.WorkloadIdentity = false
	if caller, err := identify("10.4.0.7"); err == nil || !strings.Contains(err.Error(), "no Workload Identity Federation") {
		t.Errorf("without Workload Identity a pod is %+v, %v, want a refusal", caller, err)
	}
}

func TestIdentifyNode(t *testing.T) {
	t.Parallel()
	r, _ := running(t, "10.0.0.2", "10.0.0.3")
	const want = "node-10.0.0.3@demo.iam.gserviceaccount.com"
	if caller, err := r.Identify(context.Background(), netip.MustParseAddr("10.0.0.3")); err != nil || caller.Identity != want || caller.Email != want || caller.ProjectNumber == "" {
		t.Errorf("a node is %+v, %v, want %s", caller, err, want)
	}
	if caller, err := r.Identify(context.Background(), netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Errorf("an address of nobody is %+v, want an error", caller)
	}
}
