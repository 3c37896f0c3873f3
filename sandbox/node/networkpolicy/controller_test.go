package networkpolicy

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestControllerFollowsTheCluster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, cluster := fake.NewClientset(), load(t, "edge")
	applied := make(chan []byte, 100)
	failures := 1
	c := &Controller{Client: client, Node: node, Apply: func(_ context.Context, rules []byte) error {
		if string(rules) != Install && failures > 0 {
			failures--
			return errors.New("busy")
		}
		applied <- rules
		return nil
	}}
	// Before Run: the fake loses what is made between an informer's list and watch.
	for _, namespace := range cluster.Namespaces {
		create(t, func() error {
			_, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
			return err
		})
	}
	for _, pod := range cluster.Pods {
		create(t, func() error {
			_, err := client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
			return err
		})
	}
	for _, policy := range cluster.Policies {
		create(t, func() error {
			_, err := client.NetworkingV1().NetworkPolicies(policy.Namespace).Create(ctx, policy, metav1.CreateOptions{})
			return err
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	if first := <-applied; string(first) != Install {
		t.Fatalf("the first text applied is not Install:\n%s", first)
	}
	awaitRules(ctx, t, applied, Rules(node, cluster))
	if err := client.NetworkingV1().NetworkPolicies("edge").Delete(ctx, "dns", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	cluster.Policies = slices.DeleteFunc(cluster.Policies, func(p *networkingv1.NetworkPolicy) bool { return p.Name == "dns" })
	awaitRules(ctx, t, applied, Rules(node, cluster))

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run() of a context that ended = %v", err)
	}
}

func TestControllerReportsThatItCannotInstall(t *testing.T) {
	t.Parallel()
	c := &Controller{Client: fake.NewClientset(), Node: node, Apply: func(context.Context, []byte) error {
		return errors.New("no iptables")
	}}
	if err := c.Run(context.Background()); err == nil {
		t.Error("Run() = nil though the chains could not be installed")
	}
}

func create(t *testing.T, do func() error) {
	t.Helper()
	if err := do(); err != nil {
		t.Fatal(err)
	}
}

func awaitRules(ctx context.Context, t *testing.T, applied <-chan []byte, want []byte) {
	t.Helper()
	for {
		select {
		case got := <-applied:
			if bytes.Equal(got, want) {
				return
			}
		case <-ctx.Done():
			t.Fatal("the rules of the cluster were not applied within a minute")
		}
	}
}
