// Package policy holds the few words our NetworkPolicies are made of.
package policy

import (
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// TCP is one port.
func TCP(port int) networkingv1.NetworkPolicyPortArray {
	return networkingv1.NetworkPolicyPortArray{networkingv1.NetworkPolicyPortArgs{
		Protocol: pulumi.String("TCP"), Port: pulumi.Int(port),
	}}
}

// Pods are the pods with these labels in the policy's own namespace.
func Pods(labels pulumi.StringMap) networkingv1.NetworkPolicyPeerArray {
	return networkingv1.NetworkPolicyPeerArray{networkingv1.NetworkPolicyPeerArgs{
		PodSelector: metav1.LabelSelectorArgs{MatchLabels: labels},
	}}
}

// Namespaces are all pods of these namespaces.
func Namespaces(names ...string) networkingv1.NetworkPolicyPeerArray {
	var peers networkingv1.NetworkPolicyPeerArray
	for _, name := range names {
		peers = append(peers, networkingv1.NetworkPolicyPeerArgs{NamespaceSelector: Namespace(name)})
	}
	return peers
}

// Address is one IPv4 address.
func Address(address string) networkingv1.NetworkPolicyPeerArgs {
	return networkingv1.NetworkPolicyPeerArgs{IpBlock: networkingv1.IPBlockArgs{Cidr: pulumi.String(address + "/32")}}
}

// Namespace selects one namespace by the label that Kubernetes gives each.
func Namespace(name string) metav1.LabelSelectorArgs {
	return metav1.LabelSelectorArgs{
		MatchLabels: pulumi.StringMap{"kubernetes.io/metadata.name": pulumi.String(name)},
	}
}
