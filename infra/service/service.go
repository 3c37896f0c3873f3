// Package service runs one gRPC service: its pods, the DNS name that lists them,
// and who may call it.
package service

import (
	"fmt"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"grpc-edge/infra/config"
	"grpc-edge/infra/image"
	"grpc-edge/infra/workload"
)

// Port is what every service listens on: each pod has an address of its own.
const Port = 8080

// terminationBudget is what the chassis may take of the pod's grace period to
// stop; the rest is for the kubelet.
const terminationBudget = "25s"

// Memory of a pod. The collector of Go works harder near goMemory instead of
// letting the kernel end the process at the limit.
const (
	memoryRequest = "64Mi"
	memoryLimit   = "128Mi"
	goMemory      = "115MiB"
)

// Service is a running gRPC service.
type Service struct {
	pulumi.ResourceState
}

// Args describe the service.
type Args struct {
	Namespace pulumi.StringInput
	// Name is that of all its objects.
	Name     string
	Image    pulumi.StringInput
	Replicas int
	// MinReadySeconds is how long a new pod has to be ready before an old one may
	// go: as long as the caller may take to find it.
	MinReadySeconds int
	// Caller is the name of the workload that may call it.
	Caller string
	// OTLP is where telemetry goes; nil for nowhere.
	OTLP *config.Collector
}

// Host is the DNS name that has one address for each ready pod. The final dot
// spares the search domains of a pod's resolver.
func Host(namespace, name string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local.", name, namespace)
}

// New deploys the service.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Service, error) {
	s := &Service{}
	if err := ctx.RegisterComponentResource("grpc-edge:service:Service", name, s, opts...); err != nil {
		return nil, fmt.Errorf("registering service %q: %w", name, err)
	}
	if err := s.newPolicy(ctx, name, args); err != nil {
		return nil, err
	}
	// Headless: Envoy wants the pods, not an address in front of them.
	_, err := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		Metadata: workload.Metadata(args.Namespace, args.Name),
		Spec: corev1.ServiceSpecArgs{
			ClusterIP: pulumi.String("None"),
			Selector:  workload.Labels(args.Name),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name: pulumi.String("grpc"), Port: pulumi.Int(Port), TargetPort: pulumi.String("grpc"),
				AppProtocol: pulumi.String("kubernetes.io/h2c"),
			}},
		},
	}, pulumi.Parent(s))
	if err != nil {
		return nil, fmt.Errorf("creating service %q: %w", name, err)
	}
	_, err = workload.New(ctx, name, &workload.Args{
		Namespace: args.Namespace,
		Name:      args.Name,
		Replicas:  args.Replicas,
		Container: container(args),
		User:      image.User,

		MinReadySeconds: args.MinReadySeconds,
	}, pulumi.Parent(s))
	if err != nil {
		return nil, err
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{})
}

func container(args *Args) *corev1.ContainerArgs {
	environment := corev1.EnvVarArray{
		variable("PORT", strconv.Itoa(Port)),
		variable("TERMINATION_BUDGET", terminationBudget),
		variable("GOMEMLIMIT", goMemory),
	}
	if args.OTLP != nil {
		environment = append(environment,
			variable("OTEL_SERVICE_NAME", args.Name),
			variable("OTEL_EXPORTER_OTLP_ENDPOINT", args.OTLP.Endpoint))
	}
	c := &corev1.ContainerArgs{
		Name:      pulumi.String(args.Name),
		Image:     args.Image,
		Env:       environment,
		Ports:     corev1.ContainerPortArray{corev1.ContainerPortArgs{Name: pulumi.String("grpc"), ContainerPort: pulumi.Int(Port)}},
		Resources: workload.Resources("50m", memoryRequest, memoryLimit),
	}
	// No service name asks for the health of the whole server.
	workload.Probes(c, corev1.ProbeArgs{Grpc: corev1.GRPCActionArgs{Port: pulumi.Int(Port)}})
	return c
}

func variable(name, value string) corev1.EnvVarArgs {
	return corev1.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(value)}
}
