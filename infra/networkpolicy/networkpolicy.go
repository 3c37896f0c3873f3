// Package networkpolicy holds the building blocks of the stack's NetworkPolicies.
package networkpolicy

import (
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// TCP returns these TCP ports.
func TCP(ports ...int) networkingv1.NetworkPolicyPortArray {
	var list networkingv1.NetworkPolicyPortArray
	for _, port := range ports {
		list = append(list, networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(port)})
	}
	return list
}

// Range returns the addresses of a CIDR block, except for those of the blocks in without.
func Range(cidr string, without ...pulumi.StringInput) networkingv1.NetworkPolicyPeerArray {
	block := networkingv1.IPBlockArgs{Cidr: pulumi.String(cidr)}
	if len(without) > 0 {
		block.Except = pulumi.StringArray(without)
	}
	return networkingv1.NetworkPolicyPeerArray{networkingv1.NetworkPolicyPeerArgs{IpBlock: block}}
}

// Pods returns the pods with these labels in the policy's own namespace.
func Pods(labels pulumi.StringMap) networkingv1.NetworkPolicyPeerArray {
	return networkingv1.NetworkPolicyPeerArray{networkingv1.NetworkPolicyPeerArgs{
		PodSelector: metav1.LabelSelectorArgs{MatchLabels: labels},
	}}
}

// Namespaces returns all pods of these namespaces.
func Namespaces(names ...string) networkingv1.NetworkPolicyPeerArray {
	var peers networkingv1.NetworkPolicyPeerArray
	for _, name := range names {
		peers = append(peers, networkingv1.NetworkPolicyPeerArgs{NamespaceSelector: Namespace(name)})
	}
	return peers
}

// Address returns one IPv4 address.
func Address(address string) networkingv1.NetworkPolicyPeerArgs {
	return networkingv1.NetworkPolicyPeerArgs{IpBlock: networkingv1.IPBlockArgs{Cidr: pulumi.String(address + "/32")}}
}

// Namespace returns a selector of one namespace, by the label that Kubernetes sets on each.
func Namespace(name string) metav1.LabelSelectorArgs {
	return metav1.LabelSelectorArgs{
		MatchLabels: pulumi.StringMap{"kubernetes.io/metadata.name": pulumi.String(name)},
	}
}
