package edge

import (
	"fmt"

	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/networkpolicy"
	"example.com/grpc-edge/infra/service"
	"example.com/grpc-edge/infra/workload"
)

// newNetworkPolicy allows traffic from anywhere to the TLS port, from monitoring to the metrics
// port, and from Envoy to the backends.
func (e *Edge) newNetworkPolicy(ctx *pulumi.Context, name string, args *Args) error {
	ingress := networkingv1.NetworkPolicyIngressRuleArray{
		networkingv1.NetworkPolicyIngressRuleArgs{Ports: networkpolicy.TCP(envoy.HTTPSPort)}, // from anywhere
	}
	// A rule without namespaces would open the port to all.
	if len(args.MetricsNamespaces) > 0 {
		ingress = append(ingress, networkingv1.NetworkPolicyIngressRuleArgs{
			From: networkpolicy.Namespaces(args.MetricsNamespaces...), Ports: networkpolicy.TCP(envoy.MetricsPort),
		})
	}
	var egress networkingv1.NetworkPolicyEgressRuleArray
	for _, backend := range args.Config.Backends {
		egress = append(egress, to(backend.Name, backend.Port))
		if backend.Canary != nil {
			egress = append(egress, to(service.Canary(backend.Name), backend.Port))
		}
	}
	if args.Config.Collector != nil {
		egress = append(egress, networkingv1.NetworkPolicyEgressRuleArgs{
			To: networkpolicy.Namespaces(args.CollectorNamespace), Ports: networkpolicy.TCP(int(args.Config.Collector.Port)),
		})
	}
	if args.Config.FetchesKeys() {
		// Issuers may be anywhere, and a policy matches only addresses.
		egress = append(egress, networkingv1.NetworkPolicyEgressRuleArgs{Ports: networkpolicy.TCP(443)})
	}
	_, err := networkingv1.NewNetworkPolicy(ctx, name, &networkingv1.NetworkPolicyArgs{
		Metadata: workload.Metadata(args.Namespace, Name),
		Spec: networkingv1.NetworkPolicySpecArgs{
			PodSelector: workload.Selector(Name),
			PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
			Ingress:     ingress,
			Egress:      egress,
		},
	}, pulumi.Parent(e))
	if err != nil {
		return fmt.Errorf("creating the network policy of %q: %w", name, err)
	}
	return nil
}

func to(backend string, port uint32) networkingv1.NetworkPolicyEgressRuleArgs {
	return networkingv1.NetworkPolicyEgressRuleArgs{To: networkpolicy.Pods(workload.Labels(backend)), Ports: networkpolicy.TCP(int(port))}
}
