package networkpolicy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// pod is a pod that has its own address.
type pod struct {
	*corev1.Pod
	address netip.Addr
}

// policy describes what one NetworkPolicy allows one pod in one direction.
type policy struct {
	name    string
	allowed []allowance
}

// allowance is a peer, 0.0.0.0/0 for any, and the iptables match of the ports,
// empty for all.
type allowance struct {
	peer  netip.Prefix
	ports string
}

var anywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// state holds the cluster in a fixed order.
type state struct {
	pods       []pod
	namespaces map[string]labels.Set
	policies   []*networkingv1.NetworkPolicy
}

func newState(cluster Cluster) *state {
	s := &state{namespaces: map[string]labels.Set{}, policies: slices.Clone(cluster.Policies)}
	for _, namespace := range cluster.Namespaces {
		s.namespaces[namespace.Name] = namespace.Labels
	}
	for _, p := range cluster.Pods {
		address, err := netip.ParseAddr(p.Status.PodIP)
		// A pod of the host network is the node. One that has ended has given its
		// address back.
		if err != nil || !address.Is4() || p.Spec.HostNetwork ||
			p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		s.pods = append(s.pods, pod{p, address})
	}
	slices.SortFunc(s.pods, func(a, b pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(s.policies, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return s
}

// selecting returns the policies of one direction that select the pod.
func (s *state) selecting(p pod, direction networkingv1.PolicyType) []*networkingv1.NetworkPolicy {
	var found []*networkingv1.NetworkPolicy
	for _, policy := range s.policies {
		types := policy.Spec.PolicyTypes
		if len(types) == 0 { // the API server sets them; the default is in its documentation
			types = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			if len(policy.Spec.Egress) > 0 {
				types = append(types, networkingv1.PolicyTypeEgress)
			}
		}
		if policy.Namespace == p.Namespace && slices.Contains(types, direction) &&
			matches(&policy.Spec.PodSelector, p.Labels) {
			found = append(found, policy)
		}
	}
	return found
}

// ingress returns what may reach the pod. Named ports are the pod's own.
func (s *state) ingress(p pod) []policy {
	var policies []policy
	for _, given := range s.selecting(p, networkingv1.PolicyTypeIngress) {
		one := policy{name: given.Name}
		for _, rule := range given.Spec.Ingress {
			ports := portMatches(rule.Ports, &p)
			for _, peer := range s.peers(given.Namespace, rule.From) {
				for _, match := range ports {
					one.allowed = append(one.allowed, allowance{peer.block, match})
				}
			}
		}
		policies = append(policies, one)
	}
	return policies
}

// egress returns what the pod may reach. Named ports are the peers'.
func (s *state) egress(p pod) []policy {
	var policies []policy
	for _, given := range s.selecting(p, networkingv1.PolicyTypeEgress) {
		one := policy{name: given.Name}
		for _, rule := range given.Spec.Egress {
			peers := s.peers(given.Namespace, rule.To)
			if slices.ContainsFunc(rule.Ports, isNamed) && len(rule.To) == 0 {
				peers = append(peers, s.everyPod()...) // a name means something only for a pod
			}
			for _, peer := range peers {
				for _, match := range portMatches(rule.Ports, peer.pod) {
					one.allowed = append(one.allowed, allowance{peer.block, match})
				}
			}
		}
		policies = append(policies, one)
	}
	return policies
}

// peer is an address block, of one pod or of any hosts.
type peer struct {
	block netip.Prefix
	pod   *pod // nil for a block of any hosts
}

func (s *state) everyPod() []peer {
	var all []peer
	for _, p := range s.pods {
		all = append(all, peer{netip.PrefixFrom(p.address, p.address.BitLen()), &p})
	}
	return all
}

// peers resolves the peers of a rule; none given means anywhere.
func (s *state) peers(namespace string, given []networkingv1.NetworkPolicyPeer) []peer {
	if len(given) == 0 {
		return []peer{{block: anywhere}}
	}
	var found []peer
	for _, g := range given {
		if g.IPBlock != nil {
			for _, block := range blocks(g.IPBlock) {
				found = append(found, peer{block: block})
			}
			continue
		}
		for _, candidate := range s.everyPod() {
			p := candidate.pod
			there := p.Namespace == namespace
			if g.NamespaceSelector != nil {
				there = matches(g.NamespaceSelector, s.namespaces[p.Namespace])
			}
			if there && (g.PodSelector == nil || matches(g.PodSelector, p.Labels)) {
				found = append(found, candidate)
			}
		}
	}
	return found
}

// blocks returns the IPv4 ranges of an ipBlock.
func blocks(given *networkingv1.IPBlock) []netip.Prefix {
	block, err := netip.ParsePrefix(given.CIDR)
	if err != nil || !block.Addr().Is4() {
		return nil
	}
	var exceptions []netip.Prefix
	for _, text := range given.Except {
		if exception, err := netip.ParsePrefix(text); err == nil {
			exceptions = append(exceptions, exception.Masked())
		}
	}
	return without(block.Masked(), exceptions)
}

// portMatches returns the iptables matches of the ports; one empty match stands for all. Names
// refer to the pod's container ports; without a pod they match nothing.
func portMatches(ports []networkingv1.NetworkPolicyPort, named *pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var found []string
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		match := fmt.Sprintf(" -p %[1]s -m %[1]s", strings.ToLower(string(protocol)))
		switch {
		case port.Port == nil:
			found = append(found, match)
		case isNamed(port):
			for _, number := range containerPorts(named, port.Port.StrVal, protocol) {
				found = append(found, fmt.Sprintf("%s --dport %d", match, number))
			}
		case port.EndPort != nil:
			found = append(found, fmt.Sprintf("%s --dport %d:%d", match, port.Port.IntVal, *port.EndPort))
		default:
			found = append(found, fmt.Sprintf("%s --dport %d", match, port.Port.IntVal))
		}
	}
	return found
}

func isNamed(port networkingv1.NetworkPolicyPort) bool {
	return port.Port != nil && port.Port.Type == intstr.String
}

func containerPorts(p *pod, name string, protocol corev1.Protocol) []int32 {
	var found []int32
	if p == nil {
		return nil
	}
	for _, container := range p.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name && cmp.Or(port.Protocol, corev1.ProtocolTCP) == protocol {
				found = append(found, port.ContainerPort)
			}
		}
	}
	return found
}

// matches reports whether the selector selects the labels. A malformed selector, which the API
// server refuses to store, selects nothing.
func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}
