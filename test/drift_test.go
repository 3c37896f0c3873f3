package test

import (
	"context"
	"strings"
	"testing"
)

// mendCloud changes the emulated cloud behind Pulumi's back.
func mendCloud(ctx context.Context, t *testing.T, c checkout) {
	alert := ""
	for object := range strings.Lines(c.must(ctx, t, ".cache/bin/sandbox", "objects")) {
		if strings.Contains(object, "/alertPolicies/") {
			alert = strings.TrimSpace(object)
		}
	}
	c.must(ctx, t, ".cache/bin/sandbox", "drift", alert, "delete")
	c.must(ctx, t, ".cache/bin/sandbox", "drift", "/nodePools/", "nodeCount=2")

	out, err := c.pulumi(ctx, t, "refresh", "--preview-only", "--expect-no-changes", "--diff", "--stack", "sandbox")
	if err == nil || !strings.Contains(out, "AlertPolicy::") || !strings.Contains(out, "NodePool::") {
		t.Errorf("refresh: %v, want an error, and both changes shown", err)
	}
	if _, err := c.pulumi(ctx, t, "up", "--refresh", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "sandbox"); err != nil {
		t.Fatal(err)
	}
	expectNoChanges(ctx, t, c, "preview", "--refresh")
}

// failOnce has the cloud refuse and delay calls: what can be tried again is, what
// cannot is told, and the next `make up` goes on.
func failOnce(ctx context.Context, t *testing.T, c checkout) {
	appendTo(t, c, "Pulumi.sandbox.yaml", "\n  grpc-edge:alertErrorPercent: 7\n")
	c.must(ctx, t, ".cache/bin/sandbox", "faults", "unavailable", "kind=AlertPolicy", "verb=get", "count=2")
	c.must(ctx, t, ".cache/bin/sandbox", "faults", "quota", "kind=AlertPolicy", "verb=update", "count=1")
	out, err := c.run(ctx, t, "sh", "-c", "make up 2>&1")
	if err == nil || !strings.Contains(out, "AlertPolicy") || !strings.Contains(strings.ToLower(out), "quota") {
		t.Errorf("make up with a quota exceeded: %v, want to be told so", err)
	}
	c.must(ctx, t, "make", "up")
	if left := c.must(ctx, t, ".cache/bin/sandbox", "faults"); strings.Contains(left, "quota") {
		t.Errorf("the fault did not happen: %s", left)
	}
	expectNoChanges(ctx, t, c, "preview")
}
