package cluster

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"example.com/grpc-edge/sandbox/gcp/container"
)

// TestImagePolicy checks that the webhook asks only one host, as anyone who may change a webhook
// could reach any host through it. The webhook asks only about pods, and fails open.
func TestImagePolicy(t *testing.T) {
	t.Parallel()
	spec := container.ClusterSpec{Name: "gke", Project: "p", Location: "us-central1"}
	webhook := imagePolicy(spec.FullName(), []byte("PEM")).Webhooks[0]
	want := "https://binaryauthorization.googleapis.com/imagepolicy/projects/p/locations/us-central1/clusters/gke"
	if got := *webhook.ClientConfig.URL; got != want || string(webhook.ClientConfig.CABundle) != "PEM" {
		t.Errorf("it asks %s, trusting %s, want %s", got, webhook.ClientConfig.CABundle, want)
	}
	if *webhook.FailurePolicy != admissionregistrationv1.Ignore {
		t.Errorf("without an answer it does %s, want %s", *webhook.FailurePolicy, admissionregistrationv1.Ignore)
	}
	for _, rule := range webhook.Rules {
		for _, resource := range rule.Resources {
			if resource != "pods" && resource != "pods/ephemeralcontainers" {
				t.Errorf("it is asked about %s", resource)
			}
		}
	}
}
