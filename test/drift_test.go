package test

import (
	"context"
	"strings"
	"testing"
)

// drifted lists the resources that mendCloud changes, as refresh names them.
var drifted = []string{"AlertPolicy::", "RepositoryIamMember::registry-images-reader", "NodePool::", "NetworkPolicy::grpc-edge-default-deny", "Deployment::echo"}

// mendCloud changes the emulated cloud and its cluster behind Pulumi's back. It deletes
// rules, resizes the node pool, and edits a Deployment. Refresh must show each change, and up
// must revert it.
func mendCloud(ctx context.Context, t *testing.T, c checkout) {
	alert, reader := "", ""
	for object := range strings.Lines(c.must(ctx, t, ".cache/bin/sandbox", "objects")) {
		switch object = strings.TrimSpace(object); {
		case strings.Contains(object, "/alertPolicies/"):
			alert = object
		case strings.Contains(object, "/repositories/grpc-edge-sandbox/iam/"):
			reader = object
		}
	}
	c.must(ctx, t, ".cache/bin/sandbox", "tamper", alert, "delete")
	c.must(ctx, t, ".cache/bin/sandbox", "tamper", reader, "delete")
	c.must(ctx, t, ".cache/bin/sandbox", "tamper", "/nodePools/", "nodeCount=2")
	kubectl(ctx, t, c, "delete networkpolicy default-deny")
	kubectl(ctx, t, c, "scale deployment echo --replicas=1")

	out, err := c.pulumi(ctx, t, "refresh", "--preview-only", "--expect-no-changes", "--diff", "--stack", "sandbox")
	for _, resource := range drifted {
		if err == nil || !strings.Contains(out, resource) {
			t.Errorf("refresh: %v, want an error, and %s shown", err, resource)
		}
	}
	if _, err := c.pulumi(ctx, t, "up", "--refresh", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "sandbox"); err != nil {
		t.Fatal(err)
	}
	expectNoChanges(ctx, t, c, "preview", "--refresh")
}

// failOnce makes calls of the cloud fail. Transient errors must be retried. Others must be
// reported, and the next `make up` must succeed.
func failOnce(ctx context.Context, t *testing.T, c checkout) {
	appendTo(t, c, "Pulumi.sandbox.yaml", "\n  grpc-edge:alertErrorPercent: 7\n")
	c.must(ctx, t, ".cache/bin/sandbox", "fault", "add", "unavailable", "--kind", "AlertPolicy", "--verb", "get", "--count", "2")
	c.must(ctx, t, ".cache/bin/sandbox", "fault", "add", "quota", "--kind", "AlertPolicy", "--verb", "update", "--count", "1")
	out, err := c.run(ctx, t, "sh", "-c", "make up 2>&1")
	if err == nil || !strings.Contains(out, "AlertPolicy") || !strings.Contains(strings.ToLower(out), "quota") {
		t.Errorf("make up with a quota exceeded: %v, want to be told so", err)
	}
	c.must(ctx, t, "make", "up")
	if left := c.must(ctx, t, ".cache/bin/sandbox", "fault", "list"); strings.Contains(left, "quota") {
		t.Errorf("the fault did not happen: %s", left)
	}
	expectNoChanges(ctx, t, c, "preview")
}
