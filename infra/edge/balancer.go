package edge

import (
	"fmt"
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/workload"
)

// newLoadBalancer creates an external passthrough Network Load Balancer of GKE on the
// static addresses (GKE, "LoadBalancer Service parameters").
func (e *Edge) newLoadBalancer(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) error {
	metadata := workload.Metadata(args.Namespace, Name)
	metadata.Annotations = pulumi.StringMap{
		// Uses a backend service; without the annotation, the older target pool.
		"cloud.google.com/l4-rbs": pulumi.String("enabled"),
		// Takes precedence over spec.loadBalancerIP, which is deprecated.
		"networking.gke.io/load-balancer-ip-addresses": args.AddressNames.ToStringArrayOutput().ApplyT(func(names []string) string {
			return strings.Join(names, ",")
		}).(pulumi.StringOutput),
	}
	families := "SingleStack"
	if args.Config.DualStack {
		// RequireDualStack, or ipFamilies with IPv6, would fail the preview that makes a
		// running cluster dual-stack: the API server still refuses both.
		families = "PreferDualStack"
	}
	balancer, err := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		Metadata: metadata,
		Spec: corev1.ServiceSpecArgs{
			Type:     pulumi.String("LoadBalancer"),
			Selector: workload.Labels(Name),
			// Traffic goes straight to a node that has an Envoy pod: there is no second
			// hop, and Envoy sees the address of the client.
			ExternalTrafficPolicy: pulumi.String("Local"),
			IpFamilyPolicy:        pulumi.String(families),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name: pulumi.String("https"), Port: pulumi.Int(443), TargetPort: pulumi.Int(envoy.HTTPSPort),
			}},
		},
	}, append(opts, pulumi.Parent(e))...)
	if err != nil {
		return fmt.Errorf("creating the load balancer of %q: %w", name, err)
	}
	e.LoadBalancer = balancer
	return nil
}
