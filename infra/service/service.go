// Package service runs one gRPC service: its pods, the DNS name that lists them,
// and who may call it.
package service

import (
	"fmt"
	"strconv"
	"time"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/image"
	"example.com/grpc-edge/infra/workload"
)

// Port is what every service listens on: each pod has an address of its own.
const Port = 8080

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
	Replicas config.Replicas
	// MinReadySeconds is how long a new pod has to be ready before an old one may
	// go: as long as the caller may take to find it.
	MinReadySeconds int
	// MaxCalls is how many unary calls a pod has under way at once; 0 is no limit.
	MaxCalls int
	// Callers are the names of the workloads that may call it.
	Callers []string
	// Calls are the names of services that it may call; nil is none.
	Calls []string
	// Zones are those to give a name of their own.
	Zones []string
	// Termination is how long a pod may take to stop.
	Termination time.Duration
	// NodeSelector is for the labels of nodes that the pods want; nil for any node.
	NodeSelector pulumi.StringMap
	// Environment, Files and FilesPath are for the program: more variables, and a
	// ConfigMap that it finds at a path; nil for none.
	Environment corev1.EnvVarArray
	Files       *corev1.ConfigMap
	FilesPath   string
	// OTLP is where telemetry goes; nil for nowhere.
	OTLP *config.Collector
}

// Host is the DNS name that has one address for each ready pod. The final dot
// spares the search domains of a pod's resolver.
func Host(namespace, name string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local.", name, namespace)
}

// Zone is the name of the pods of a service in one zone.
func Zone(name, zone string) string { return name + "-" + zone }

// Canary is the name of the second version of a service.
func Canary(name string) string { return name + "-canary" }

// New deploys the service.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Service, error) {
	s := &Service{}
	if err := ctx.RegisterComponentResource("grpc-edge:service:Service", name, s, opts...); err != nil {
		return nil, fmt.Errorf("registering service %q: %w", name, err)
	}
	if err := s.newPolicy(ctx, name, args); err != nil {
		return nil, err
	}
	if err := s.newNames(ctx, name, args); err != nil {
		return nil, err
	}
	_, err := workload.New(ctx, name, &workload.Args{
		Namespace: args.Namespace,
		Name:      args.Name,
		Replicas:  args.Replicas,
		Container: container(args),
		Volumes:   volumes(args),
		User:      image.User,

		NodeSelector: args.NodeSelector,

		Termination:     args.Termination,
		MinReadySeconds: args.MinReadySeconds,
	}, pulumi.Parent(s))
	if err != nil {
		return nil, err
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{})
}

// newNames makes the DNS names of the pods: of all, and of those in each zone.
func (s *Service) newNames(ctx *pulumi.Context, name string, args *Args) error {
	selectors := map[string]pulumi.StringMap{"": workload.Labels(args.Name)}
	for _, zone := range args.Zones {
		selectors[zone] = workload.Labels(args.Name)
		selectors[zone][workload.ZoneLabel] = pulumi.String(zone)
	}
	for zone, selector := range selectors {
		resource, metadata := name, workload.Metadata(args.Namespace, args.Name)
		if zone != "" {
			resource, metadata.Name = Zone(name, zone), pulumi.String(Zone(args.Name, zone))
		}
		// Headless: Envoy wants the pods, not an address in front of them.
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

// filesVolume is the volume of Files.
const filesVolume = "files"

func volumes(args *Args) corev1.VolumeArray {
	if args.Files == nil {
		return nil
	}
	return corev1.VolumeArray{workload.ConfigVolume(filesVolume, args.Files)}
}

func container(args *Args) *corev1.ContainerArgs {
	environment := append(corev1.EnvVarArray{
		workload.Variable("PORT", strconv.Itoa(Port)),
		workload.Variable("TERMINATION_BUDGET", workload.Budget(args.Termination).String()),
		workload.Variable("MAX_CALLS", strconv.Itoa(args.MaxCalls)),
		workload.Variable("GOMEMLIMIT", goMemory),
	}, args.Environment...)
	if args.OTLP != nil {
		environment = append(environment,
			workload.Variable("OTEL_SERVICE_NAME", args.Name),
			workload.Variable("OTEL_EXPORTER_OTLP_ENDPOINT", args.OTLP.Endpoint))
	}
	c := &corev1.ContainerArgs{
		Name:      pulumi.String(args.Name),
		Image:     args.Image,
		Env:       environment,
		Ports:     corev1.ContainerPortArray{corev1.ContainerPortArgs{Name: pulumi.String("grpc"), ContainerPort: pulumi.Int(Port)}},
		Resources: workload.Resources("50m", memoryRequest, memoryLimit),
	}
	if args.Files != nil {
		c.VolumeMounts = corev1.VolumeMountArray{workload.Mount(filesVolume, args.FilesPath)}
	}
	// No service name asks for the health of the whole server.
	workload.Probes(c, corev1.ProbeArgs{Grpc: corev1.GRPCActionArgs{Port: pulumi.Int(Port)}})
	return c
}
