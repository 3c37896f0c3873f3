// Package service deploys one gRPC service: its pods, the DNS name that lists them, and the
// policy on who may call it.
package service

import (
	"fmt"
	"time"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/image"
	"example.com/grpc-edge/infra/workload"
	"example.com/grpc-edge/services/catalog"
)

// Port is the port that every service listens on: each pod has an address of its own.
const Port = 8080

// Service is a running gRPC service.
type Service struct {
	pulumi.ResourceState

	// Deployment is there once the pods are ready.
	Deployment pulumi.Resource
}

// Args describe the service.
type Args struct {
	Namespace pulumi.StringInput
	// NamespaceName is the name in Namespace as text, for the addresses of services.
	NamespaceName string
	// Name is the name of all its objects but the pods' service account, which is Account.
	Name, Account string
	Image         pulumi.StringInput
	// Spec describes what the service needs.
	Spec catalog.Spec
	// Files holds the contents of files that the program reads, by their path.
	Files map[string][]byte
	// Secrets holds the values of Spec.Secrets, by name.
	Secrets map[string]pulumi.StringInput
	// Callers lists the names of the workloads that may call it.
	Callers []string
	// Calls lists the names of the workloads that it may call.
	Calls []string
	// Zones lists the zones whose pods get a DNS name of their own.
	Zones []string
	// NodeSelector lists the node labels that the pods require; nil for any node.
	NodeSelector pulumi.StringMap
	// OTLP is the collector for telemetry; nil for none.
	OTLP *config.Collector
	// IPv6Range is the block of the cluster's own IPv6 addresses; nil without dual stack.
	IPv6Range pulumi.StringInput
	// After lists the resources that the pods depend on.
	After []pulumi.Resource
}

// Host returns the DNS name that resolves to one address for each ready pod. With the final
// dot, a pod's resolver does not try its search domains.
func Host(namespace, name string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local.", name, namespace)
}

// Canary returns the name of the second version of a service.
func Canary(name string) string { return name + "-canary" }

// New deploys the service.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Service, error) {
	s := &Service{}
	if err := ctx.RegisterComponentResource("grpc-edge:service:Service", name, s, opts...); err != nil {
		return nil, fmt.Errorf("registering service %q: %w", name, err)
	}
	if err := s.newNetworkPolicy(ctx, name, args); err != nil {
		return nil, err
	}
	if err := s.newNames(ctx, name, args); err != nil {
		return nil, err
	}
	mounts, err := s.newMounts(ctx, name, args)
	if err != nil {
		return nil, err
	}
	spec := args.Spec
	running, err := workload.New(ctx, name, &workload.Args{
		Namespace: args.Namespace,
		Name:      args.Name,
		Account:   args.Account,
		Replicas:  config.Replicas{Least: spec.Replicas, Most: spec.ReplicasMax, AtMillicores: spec.ScaleAtCPUMillicores},
		Container: container(args, mounts),
		Volumes:   mounts.volumes,
		User:      image.User,

		NodeSelector: args.NodeSelector,

		Termination:     Termination(spec),
		MinReadySeconds: spec.MinReadySeconds,
		StartupSeconds:  spec.StartupSeconds,
		After:           args.After,
		Annotations:     annotations(args),
	}, pulumi.Parent(s))
	if err != nil {
		return nil, err
	}
	s.Deployment = running.Deployment
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{})
}

// annotations returns the annotations of the pods. Kubernetes labels a pod with its zone
// when it is bound to a node (KEP-4742), so pods that an older version bound have no zone.
// The annotation replaces them when zones are first asked for.
func annotations(args *Args) pulumi.StringMap {
	if len(args.Zones) == 0 {
		return nil
	}
	return pulumi.StringMap{"grpc-edge/zones": pulumi.String("by-label")}
}

// Termination returns the grace period of a pod of the service.
func Termination(spec catalog.Spec) time.Duration {
	return time.Duration(spec.TerminationSeconds) * time.Second
}

// newNames creates the DNS names of the pods: one for all, and one for those in each zone.
func (s *Service) newNames(ctx *pulumi.Context, name string, args *Args) error {
	selectors := map[string]pulumi.StringMap{"": workload.Labels(args.Name)}
	for _, zone := range args.Zones {
		selectors[zone] = workload.Labels(args.Name)
		selectors[zone][workload.ZoneLabel] = pulumi.String(zone)
	}
	for zone, selector := range selectors {
		resource, metadata := name, workload.Metadata(args.Namespace, args.Name)
		if zone != "" {
			resource, metadata.Name = catalog.ZoneName(name, zone), pulumi.String(catalog.ZoneName(args.Name, zone))
		}
		// Headless: Envoy needs the addresses of the pods, not one address in front of
		// them.
		_, err := corev1.NewService(ctx, resource, &corev1.ServiceArgs{
			Metadata: metadata,
			Spec: corev1.ServiceSpecArgs{
				ClusterIP: pulumi.String("None"),
				Selector:  selector,
				Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
					Name: pulumi.String("grpc"), Port: pulumi.Int(Port), TargetPort: pulumi.String("grpc"),
					AppProtocol: pulumi.String("kubernetes.io/h2c"),
				}},
			},
		}, pulumi.Parent(s))
		if err != nil {
			return fmt.Errorf("creating service %q: %w", resource, err)
		}
	}
	return nil
}
