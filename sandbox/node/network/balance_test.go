package network

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
)

func TestBalanceRules(t *testing.T) {
	t.Parallel()
	got := balanceRules(map[netip.Addr][]netip.Addr{
		netip.MustParseAddr("198.51.100.11"): nil,
		netip.MustParseAddr("198.51.100.10"): {netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4")},
	})
	const want = `*mangle
:SANDBOX-BALANCE - [0:0]
-A SANDBOX-BALANCE -d 198.51.100.10 -p tcp ! --syn -j CONNMARK --restore-mark
-A SANDBOX-BALANCE -d 198.51.100.10 -p tcp --syn -m mark --mark 0 -m statistic --mode random --probability 0.333333 -j MARK --set-mark 0xa000002
-A SANDBOX-BALANCE -d 198.51.100.10 -p tcp --syn -m mark --mark 0 -m statistic --mode random --probability 0.500000 -j MARK --set-mark 0xa000003
-A SANDBOX-BALANCE -d 198.51.100.10 -p tcp --syn -m mark --mark 0 -j MARK --set-mark 0xa000004
-A SANDBOX-BALANCE -d 198.51.100.10 -p tcp --syn -j CONNMARK --save-mark
-A SANDBOX-BALANCE -d 198.51.100.11 -p tcp ! --syn -j CONNMARK --restore-mark
-A SANDBOX-BALANCE -d 198.51.100.11 -p tcp --syn -j CONNMARK --save-mark
COMMIT
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the rules differ (-want +got):\n%s", diff)
	}
}

// TestBalance checks what routes marked packets. The drain of nodes under load checks end to end
// that connections stay where they are.
func TestBalance(t *testing.T) {
	n := newNetwork(t)
	vm(t, n, "a", "10.0.0.2", external)
	vm(t, n, "b", "10.0.0.3", external)
	a, b := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	var restored []string
	restore := func(rules []byte) error { restored = append(restored, string(rules)); return nil }
	for _, next := range [][]netip.Addr{{a, b}, {b}, nil} {
		if err := n.Balance(restore, external, next...); err != nil {
			t.Fatal(err)
		}
		// A node that gets no new connections keeps its old ones.
		for _, node := range []netip.Addr{a, b} {
			routes, err := n.router.RouteGetWithOptions(external.AsSlice(), &netlink.RouteGetOptions{Mark: mark(node)})
			if err != nil || len(routes) != 1 || !routes[0].Gw.Equal(node.AsSlice()) {
				t.Errorf("with %v, packets of the node %s are routed as %v (%v)", next, node, routes, err)
			}
		}
	}
	rules := func(next ...netip.Addr) string {
		return string(balanceRules(map[netip.Addr][]netip.Addr{external: next}))
	}
	if diff := cmp.Diff([]string{installBalance + rules(a, b), rules(b), rules()}, restored); diff != "" {
		t.Errorf("the rules differ (-want +got):\n%s", diff)
	}
	if err := n.Balance(restore, external, netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("balancing to a VM out of reach gave no error")
	}
}
