package main

import "testing"

// TestDualStack checks what links the two address families: the load balancer has the names
// of both addresses, and each name of the edge a record for each.
func TestDualStack(t *testing.T) {
	result := mustRun(t, "sandbox", false, variant("dual-stack"))
	check(t, result.named(t, "kubernetes:core/v1:Service", "edge"), map[string]any{
		`metadata.annotations["networking.gke.io/load-balancer-ip-addresses"]`: "network-edge,network-edge-ipv6",
		"spec.ipFamilyPolicy": "PreferDualStack",
	})
	check(t, result.named(t, recordType, "dns-grpc.example.com"), map[string]any{"type": "A", "rrdatas": []any{"203.0.113.10"}})
	check(t, result.named(t, recordType, "dns-grpc.example.com-ipv6"), map[string]any{"type": "AAAA", "rrdatas": []any{"2001:db8:0:1:8000::"}})
	if got := plain(result.outputs["ipv6Address"]); got != "2001:db8:0:1:8000::" {
		t.Errorf("output ipv6Address = %v", got)
	}
}
