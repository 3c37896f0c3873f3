package service

import (
	"fmt"

	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/networkpolicy"
	"example.com/grpc-edge/infra/workload"
)

// GoogleAPIs is the range of private.googleapis.com (VPC, "Configure Private Google
// Access", domain options).
const GoogleAPIs = "199.36.153.8/30"

// metadataServers maps the addresses at which a pod requests its own tokens to their ports:
// with Dataplane V2, and without (GKE, "Use network policy", requirements of Workload
// Identity Federation for GKE).
var metadataServers = map[string]int{"169.254.169.254": 80, "169.254.169.252": 988}

// notInternet lists the ranges that are not public addresses (RFC 1918, RFC 6598 and RFC
// 3927).
var notInternet = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"}

// notInternet6 lists the ranges of IPv6 that are not public addresses (RFC 4193 and RFC
// 4291). The range of the cluster's own subnet is public.
var notInternet6 = []string{"fc00::/7", "fe80::/10"}

// newNetworkPolicy allows calls from the callers, and the egress that the service asks for.
func (s *Service) newNetworkPolicy(ctx *pulumi.Context, name string, args *Args) error {
	spec := networkingv1.NetworkPolicySpecArgs{
		PodSelector: workload.Selector(args.Name),
		PolicyTypes: pulumi.ToStringArray([]string{"Ingress"}),
		Ingress: networkingv1.NetworkPolicyIngressRuleArray{networkingv1.NetworkPolicyIngressRuleArgs{
			From: pods(args.Callers), Ports: networkpolicy.TCP(Port),
		}},
	}
	if len(args.Callers) == 0 { // a rule without peers would be open to all
		spec.Ingress = nil
	}
	if egress := egress(args); len(egress) > 0 {
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

// egress returns the egress rules.
//
// A policy sees the address of a pod, because the address of a Service has been translated by
// then. So the collector's port must be the port of its pods. The rule names one port all the
// same. Collectors listen on the port of their Service, and a rule without a port would allow
// everything in their namespace.
func egress(args *Args) networkingv1.NetworkPolicyEgressRuleArray {
	var rules networkingv1.NetworkPolicyEgressRuleArray
	add := func(to networkingv1.NetworkPolicyPeerArray, ports networkingv1.NetworkPolicyPortArrayInput) {
		rules = append(rules, networkingv1.NetworkPolicyEgressRuleArgs{To: to, Ports: ports})
	}
	if args.OTLP != nil {
		add(networkpolicy.Namespaces(args.OTLP.Namespace), networkpolicy.TCP(args.OTLP.Port))
	}
	if len(args.Calls) > 0 {
		add(pods(args.Calls), networkpolicy.TCP(Port))
	}
	for _, way := range args.Spec.Egress {
		add(networkpolicy.Range(way.CIDR), networkpolicy.TCP(way.Ports...))
	}
	if args.Spec.GoogleAPIs {
		add(networkpolicy.Range(GoogleAPIs), networkpolicy.TCP(443))
	}
	// Not every grant is one of its roles: an owner can bind its principal to one bucket, or in
	// another project.
	if args.Spec.GoogleAPIs || len(args.Spec.Roles) > 0 {
		for _, address := range sorted(metadataServers) {
			add(networkpolicy.Range(address+"/32"), networkpolicy.TCP(metadataServers[address]))
		}
	}
	if args.Spec.Internet {
		add(networkpolicy.Range("0.0.0.0/0", pulumi.ToStringArray(notInternet)...), nil)
		if args.IPv6Range != nil {
			add(networkpolicy.Range("::/0", append(pulumi.ToStringArray(notInternet6), args.IPv6Range)...), nil)
		}
	}
	return rules
}

func pods(workloads []string) networkingv1.NetworkPolicyPeerArray {
	var peers networkingv1.NetworkPolicyPeerArray
	for _, name := range workloads {
		peers = append(peers, networkpolicy.Pods(workload.Labels(name))...)
	}
	return peers
}
