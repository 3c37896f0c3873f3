package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAutopilot creates and destroys a stack on a cluster in Autopilot mode.
func TestAutopilot(t *testing.T) {
	ctx := t.Context()
	c := newCheckout(t)
	c.removeAtEnd(t)
	c.edit(t, "Pulumi.sandbox.yaml", "grpc-edge:clusterLocation: us-central1-a", "grpc-edge:clusterMode: autopilot\n  grpc-edge:nodeSpot: true\n  grpc-edge:services: {echo: {scratch: {/tmp: 64Mi}}}")
	runSteps(t, []step{
		{"make up brings it up", func(t *testing.T) { c.must(ctx, t, "make", "up") }},
		{"both services answer", func(t *testing.T) {
			if got := c.must(ctx, t, "make", "call"); !strings.Contains(got, `{"content":"hello"}`) || !strings.Contains(got, `{"content":"olleh"}`) {
				t.Errorf("make call: got %q", got)
			}
		}},
		{"the cluster changes and refuses pods as Autopilot does", func(t *testing.T) { adjusted(ctx, t, c) }},
		{"preview shows no change", func(t *testing.T) { expectNoChanges(ctx, t, c, "preview") }},
		{"refresh shows no change", func(t *testing.T) { expectNoChanges(ctx, t, c, "refresh", "--yes", "--skip-preview") }},
		{"make down removes everything", func(t *testing.T) {
			c.must(ctx, t, "make", "down")
			if _, err := os.Stat(filepath.Join(c.dir, ".sandbox")); !os.IsNotExist(err) {
				t.Errorf("the folder .sandbox is left: %v", err)
			}
		}},
	})
}

// adjusted checks that the emulated Autopilot changes and refuses pods. Otherwise the steps
// that expect no change would prove nothing.
func adjusted(ctx context.Context, t *testing.T, c checkout) {
	const resources = `{.spec.template.spec.containers[0].resources.`
	for service, want := range map[string]string{
		"reverse": "50m 1Gi 1Gi",
		"echo":    "50m 128Mi 128Mi", // its scratch space and its logs
	} {
		got := kubectl(ctx, t, c, "get deployment "+service+" --output jsonpath='"+resources+"requests.cpu} "+
			resources+"requests.ephemeral-storage} "+resources+"limits.ephemeral-storage}'")
		if got != want {
			t.Errorf("%s has CPU and ephemeral storage %q, want %q", service, got, want)
		}
	}
	out, err := c.run(ctx, t, "sh", "-c", `eval "$(make kubeconfig)" && .cache/bin/kubectl --namespace default run intruder --image example.com/intruder --privileged 2>&1`)
	if err == nil || !strings.Contains(out, "autogke-disallow-privilege") {
		t.Errorf("a privileged pod: %v, %s, want GKE to refuse it", err, out)
	}
}
