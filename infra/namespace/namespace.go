// Package namespace creates the namespace of all the stack's pods. It admits only
// unprivileged pods. Pods in it may reach nothing but DNS until a NetworkPolicy allows
// more.
package namespace

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/networkpolicy"
)

// Namespace is a Kubernetes namespace.
type Namespace struct {
	pulumi.ResourceState

	// Name is the name of the Kubernetes object.
	Name pulumi.StringOutput
}

// Args describe the namespace.
type Args struct {
	Name string
}

// New creates the namespace and its policies.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Namespace, error) {
	n := &Namespace{}
	if err := ctx.RegisterComponentResource("grpc-edge:namespace:Namespace", name, n, opts...); err != nil {
		return nil, fmt.Errorf("registering namespace %q: %w", name, err)
	}
	object, err := corev1.NewNamespace(ctx, name, &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(args.Name),
			Labels: pulumi.StringMap{
				"pod-security.kubernetes.io/enforce": pulumi.String("restricted"),
				"pod-security.kubernetes.io/warn":    pulumi.String("restricted"),
			},
		},
	}, pulumi.Parent(n))
	if err != nil {
		return nil, fmt.Errorf("creating namespace %q: %w", name, err)
	}
	n.Name = object.Metadata.Name().Elem()
	if err := n.newNetworkPolicy(ctx, name, "default-deny", denyAll()); err != nil {
		return nil, err
	}
	if err := n.newNetworkPolicy(ctx, name, "allow-dns", allowDNS()); err != nil {
		return nil, err
	}
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"name": n.Name})
}

func (n *Namespace) newNetworkPolicy(ctx *pulumi.Context, name, object string, spec networkingv1.NetworkPolicySpecArgs) error {
	_, err := networkingv1.NewNetworkPolicy(ctx, name+"-"+object, &networkingv1.NetworkPolicyArgs{
		Metadata: metav1.ObjectMetaArgs{Namespace: n.Name, Name: pulumi.String(object)},
		Spec:     spec,
	}, pulumi.Parent(n))
	if err != nil {
		return fmt.Errorf("creating network policy %s of %q: %w", object, name, err)
	}
	return nil
}

// denyAll returns a policy that selects every pod and allows nothing. Probes still pass:
// the kubelet may always reach the pods of its own node.
func denyAll() networkingv1.NetworkPolicySpecArgs {
	return networkingv1.NetworkPolicySpecArgs{
		PodSelector: metav1.LabelSelectorArgs{},
		PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
	}
}

// Addresses that stand for the node that a pod runs on.
const (
	nodeLocalDNS = "169.254.20.10"   // kubernetes.io, "Using NodeLocal DNSCache"
	cloudDNS     = "169.254.169.254" // Compute Engine, "About VM metadata"
)

// allowDNS returns a policy that allows DNS queries to all servers that may answer them.
// Since 1.34.1 GKE runs a cache on each node (GKE, "Setting up NodeLocal DNSCache"), and
// Dataplane V2 redirects queries for kube-dns to it. With Cloud DNS, pods ask the metadata
// server of their node instead (GKE, "Using Cloud DNS for GKE"). Both answer at addresses
// of the node, which no pod selector matches (tektoncd/operator issue 4000).
func allowDNS() networkingv1.NetworkPolicySpecArgs {
	return networkingv1.NetworkPolicySpecArgs{
		PodSelector: metav1.LabelSelectorArgs{},
		PolicyTypes: pulumi.ToStringArray([]string{"Egress"}),
		Egress: networkingv1.NetworkPolicyEgressRuleArray{networkingv1.NetworkPolicyEgressRuleArgs{
			To: networkingv1.NetworkPolicyPeerArray{
				systemPods("kube-dns"), systemPods("node-local-dns"),
				networkpolicy.Address(nodeLocalDNS), networkpolicy.Address(cloudDNS),
			},
			Ports: networkingv1.NetworkPolicyPortArray{
				networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("UDP"), Port: pulumi.Int(53)},
				networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(53)},
			},
		}},
	}
}

func systemPods(app string) networkingv1.NetworkPolicyPeerArgs {
	return networkingv1.NetworkPolicyPeerArgs{
		NamespaceSelector: networkpolicy.Namespace("kube-system"),
		PodSelector:       metav1.LabelSelectorArgs{MatchLabels: pulumi.StringMap{"k8s-app": pulumi.String(app)}},
	}
}
