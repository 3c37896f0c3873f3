package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// balanceChain marks what clients send to balanced addresses with the node that it is for.
const balanceChain = "SANDBOX-BALANCE"

// installBalance creates the empty chain, and the jump to it.
const installBalance = "*mangle\n:" + balanceChain + " - [0:0]\n-A PREROUTING -j " + balanceChain + "\nCOMMIT\n"

// Balance routes the address of a load balancer: a new connection goes to a random VM of
// next, and stays there for as long as it lives, even if the VM is no longer in next (Cloud
// Load Balancing, "Backend service-based external passthrough Network Load Balancers":
// connection tracking, and TCP connections persist on unhealthy backends).
//
// restore passes rules to iptables-restore --noflush inside the router's namespace.
func (n *Network) Balance(restore func(rules []byte) error, destination netip.Addr, next ...netip.Addr) error {
	if err := n.Route(host32(destination), next...); err != nil {
		return err
	}
	for _, node := range next {
		if err := n.markedRoute(node); err != nil {
			return fmt.Errorf("routing what is for the node %s: %w", node, err)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	balanced := maps.Clone(n.balanced)
	var install []byte
	if balanced == nil {
		balanced, install = map[netip.Addr][]netip.Addr{}, []byte(installBalance)
	}
	balanced[destination] = next
	if err := n.In(func() error { return restore(append(install, balanceRules(balanced)...)) }); err != nil {
		return err
	}
	n.balanced = balanced // what is loaded
	return nil
}

// mark returns the number of a node's packets and of the table that routes them: the node's address.
func mark(node netip.Addr) uint32 {
	bytes := node.As4()
	return binary.BigEndian.Uint32(bytes[:])
}

// markedRoute sends packets with a node's mark to it.
func (n *Network) markedRoute(node netip.Addr) error {
	table := mark(node)
	rule := netlink.NewRule()
	rule.Family, rule.Mark, rule.Table, rule.Priority = netlink.FAMILY_V4, table, int(table), 100
	if err := n.router.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	everywhere := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	return n.router.RouteReplace(&netlink.Route{Dst: ipNet(everywhere), Gw: node.AsSlice(), Table: int(table)})
}

// balanceRules returns the rules of all balanced addresses, in the order of the addresses. A
// packet that begins a connection gets the mark of one of the nodes. Later packets get their
// connection's mark.
func balanceRules(balanced map[netip.Addr][]netip.Addr) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "*mangle\n:%s - [0:0]\n", balanceChain)
	var addresses []netip.Addr
	for address := range balanced {
		addresses = append(addresses, address)
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	for _, address := range addresses {
		to := fmt.Sprintf("-A %s -d %s -p tcp", balanceChain, address)
		fmt.Fprintf(&out, "%s ! --syn -j CONNMARK --restore-mark\n", to)
		for i, node := range balanced[address] {
			chance := ""
			if left := len(balanced[address]) - i; left > 1 {
				chance = fmt.Sprintf(" -m statistic --mode random --probability %.6f", 1/float64(left))
			}
			fmt.Fprintf(&out, "%s --syn -m mark --mark 0%s -j MARK --set-mark %#x\n", to, chance, mark(node))
		}
		fmt.Fprintf(&out, "%s --syn -j CONNMARK --save-mark\n", to)
	}
	out.WriteString("COMMIT\n")
	return out.Bytes()
}
