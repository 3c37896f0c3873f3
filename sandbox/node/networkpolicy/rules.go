// Package networkpolicy enforces Kubernetes NetworkPolicies on one node of the sandbox
// with iptables: the node has no Dataplane V2, and none of the engines that
// Kubernetes users run is in a package registry.
//
// It does networking.k8s.io/v1 for IPv4, ingress and egress, with pod and
// namespace selectors, address blocks with exceptions, and ports by number,
// range, name and protocol. Traffic between pods of one bridge is seen because
// the node sets net.bridge.bridge-nf-call-iptables=1. What the node itself
// sends, such as the kubelet's probes, does not pass FORWARD and is never
// blocked.
package networkpolicy

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

const (
	egressChain  = "SANDBOX-NETPOL-EGRESS"  // what pods send; entered from FORWARD
	ingressChain = "SANDBOX-NETPOL-INGRESS" // what pods receive
)

// Install is the input of `iptables-restore --noflush` that is loaded once, before the first
// Rules, in a fresh network namespace. It creates the empty chains, and the jump to them. A
// second jump would only check twice.
const Install = "*filter\n:" + egressChain + " - [0:0]\n:" + ingressChain + " - [0:0]\n" +
	"-I FORWARD 1 -j " + egressChain + "\nCOMMIT\n"

// Node describes the node that the rules are for.
type Node struct {
	Name string // as in spec.nodeName of its pods
	// Addresses holds the node's own addresses, the pod bridge's gateway among them. They may
	// always reach pods, as the kubelet does.
	Addresses []netip.Addr
}

// Cluster holds the objects that policies are about, in any order.
type Cluster struct {
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
	Policies   []*networkingv1.NetworkPolicy
}

// Rules returns what to give to `iptables-restore --noflush`. It replaces all
// that earlier Rules set, at once, and touches no other chain. The same state
// gives the same bytes.
//
// A packet goes through the egress chain, where a pod that egress policies
// select needs a match or the packet is dropped, and on to the ingress chain,
// where the same holds for the pod that receives it.
func Rules(node Node, cluster Cluster) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "*filter\n:%s - [0:0]\n:%s - [0:0]\n", egressChain, ingressChain)
	fmt.Fprintf(&out, "-A %s -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN\n", egressChain)
	for _, address := range node.Addresses {
		fmt.Fprintf(&out, "-A %s -s %s -j RETURN\n", egressChain, address)
	}
	s := newState(cluster)
	var local []pod
	for _, p := range s.pods {
		if p.Spec.NodeName == node.Name {
			local = append(local, p)
			// A pod may always reach itself, also through a Service.
			fmt.Fprintf(&out, "-A %s -s %s -d %s -j RETURN\n", egressChain, p.address, p.address)
		}
	}
	for _, p := range local {
		write(&out, egressChain, "-s", "-d", "-g "+ingressChain, p, s.egress(p))
	}
	fmt.Fprintf(&out, "-A %s -j %s\n", egressChain, ingressChain)
	for _, p := range local {
		write(&out, ingressChain, "-d", "-s", "-j RETURN", p, s.ingress(p))
	}
	out.WriteString("COMMIT\n")
	return out.Bytes()
}

// write adds the pod's part of a chain: what is allowed, and a drop of the rest.
// A pod that no policy selects has none.
func write(out *bytes.Buffer, chain, self, peer, accept string, p pod, policies []policy) {
	if len(policies) == 0 {
		return
	}
	for _, policy := range policies {
		comment := fmt.Sprintf("-m comment --comment \"%s/%s\"", p.Namespace, policy.name)
		for _, allowed := range policy.allowed {
			fmt.Fprintf(out, "-A %s %s %s", chain, self, p.address)
			if allowed.peer.Bits() != 0 {
				fmt.Fprintf(out, " %s %s", peer, allowed.peer)
			}
			fmt.Fprintf(out, "%s %s %s\n", allowed.ports, comment, accept)
		}
	}
	fmt.Fprintf(out, "-A %s %s %s -m comment --comment \"%s/%s: not allowed\" -j DROP\n",
		chain, self, p.address, p.Namespace, p.Name)
}

// without returns the block less the exceptions, as the fewest blocks there are.
func without(block netip.Prefix, exceptions []netip.Prefix) []netip.Prefix {
	covers := func(e netip.Prefix) bool { return e.Bits() <= block.Bits() && e.Contains(block.Addr()) }
	if slices.ContainsFunc(exceptions, covers) {
		return nil
	}
	if !slices.ContainsFunc(exceptions, block.Overlaps) {
		return []netip.Prefix{block}
	}
	lower := netip.PrefixFrom(block.Addr(), block.Bits()+1)
	bytes := block.Addr().As4()
	bytes[block.Bits()/8] |= 0x80 >> (block.Bits() % 8)
	upper := netip.PrefixFrom(netip.AddrFrom4(bytes), block.Bits()+1)
	return append(without(lower, exceptions), without(upper, exceptions)...)
}
