package service

import (
	"fmt"

	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/policy"
	"example.com/grpc-edge/infra/workload"
)

// newPolicy lets calls in from the callers, and telemetry out to the collector.
//
// A policy is applied to the address of a pod, after that of a Service has been
// translated, so the port of the collector has to be that of its pods. It is one
// port all the same: collectors listen on the port that their Service has, and a
// rule without one would open all that runs in their namespace.
func (s *Service) newPolicy(ctx *pulumi.Context, name string, args *Args) error {
	spec := networkingv1.NetworkPolicySpecArgs{
		PodSelector: workload.Selector(args.Name),
		PolicyTypes: pulumi.ToStringArray([]string{"Ingress"}),
		Ingress: networkingv1.NetworkPolicyIngressRuleArray{networkingv1.NetworkPolicyIngressRuleArgs{
			From: pods(args.Callers), Ports: policy.TCP(Port),
		}},
	}
	var egress networkingv1.NetworkPolicyEgressRuleArray
	if args.OTLP != nil {
		egress = append(egress, networkingv1.NetworkPolicyEgressRuleArgs{
			To: policy.Namespaces(args.OTLP.Namespace), Ports: policy.TCP(args.OTLP.Port),
		})
	}
	if len(args.Calls) > 0 {
		egress = append(egress, networkingv1.NetworkPolicyEgressRuleArgs{To: pods(args.Calls), Ports: policy.TCP(Port)})
	}
	if len(egress) > 0 {
		spec.PolicyTypes = pulumi.ToStringArray([]string{"Ingress", "Egress"})
		spec.Egress = egress
	}
	_, err := networkingv1.NewNetworkPolicy(ctx, name, &networkingv1.NetworkPolicyArgs{
		Metadata: workload.Metadata(args.Namespace, args.Name),
		Spec:     spec,
	}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("creating the network policy of %q: %w", name, err)
	}
	return nil
}

func pods(workloads []string) networkingv1.NetworkPolicyPeerArray {
	var peers networkingv1.NetworkPolicyPeerArray
	for _, name := range workloads {
		peers = append(peers, policy.Pods(workload.Labels(name))...)
	}
	return peers
}
