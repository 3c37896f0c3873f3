// Package edge is the one way in: Envoy behind a load balancer on the static
// address, with its certificate, its routes and its network policy.
package edge

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"grpc-edge/envoy"
	"grpc-edge/infra/workload"
)

// Name is that of the workload, which services name as their caller.
const Name = "envoy"

// user is the number that Envoy runs as: it needs no name, as it writes no file.
const user = 65532

// drainSeconds keep an Envoy that is to stop serving until nobody sends it new
// connections: the load balancer needs two failed health checks at intervals of
// 3 s to see that a node has no Envoy left (ingress-gce, pkg/healthchecksl4), and
// clients that reconnect need a moment.
//
// The kubelet sleeps for it. Envoy's image has no shell, and its own drain is a
// POST to an admin port that only Envoy itself can reach; on SIGTERM it closes
// what is still open, and gRPC clients connect anew.
const drainSeconds = 15

// Edge is the deployed edge.
type Edge struct {
	pulumi.ResourceState
}

// Args describe the edge.
type Args struct {
	Namespace pulumi.StringInput
	// Image is a reference with a digest.
	Image    string
	Replicas int
	// Backends are routed to; each one's Name is that of the workload behind it.
	Backends []envoy.Backend
	// Chain and Key are the certificate in PEM; Key is a secret.
	Chain, Key pulumi.StringInput
	// AddressName is the name of the static address, of which the load balancer
	// is given nothing else.
	AddressName pulumi.StringInput
	// MetricsNamespaces are the namespaces whose pods may scrape Envoy.
	MetricsNamespaces []string
}

// New deploys the edge.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Edge, error) {
	e := &Edge{}
	if err := ctx.RegisterComponentResource("grpc-edge:edge:Edge", name, e, opts...); err != nil {
		return nil, fmt.Errorf("registering edge %q: %w", name, err)
	}
	if err := e.newPolicy(ctx, name, args); err != nil {
		return nil, err
	}
	config, err := e.newConfig(ctx, name, args)
	if err != nil {
		return nil, err
	}
	secret, err := e.newSecret(ctx, name, args)
	if err != nil {
		return nil, err
	}
	envoys, err := workload.New(ctx, name, &workload.Args{
		Namespace: args.Namespace,
		Name:      Name,
		Replicas:  args.Replicas,
		Container: container(args),
		Volumes: corev1.VolumeArray{
			corev1.VolumeArgs{Name: pulumi.String("config"), ConfigMap: corev1.ConfigMapVolumeSourceArgs{
				Name: config.Metadata.Name().Elem(),
			}},
			corev1.VolumeArgs{Name: pulumi.String("certificate"), Secret: corev1.SecretVolumeSourceArgs{
				SecretName: secret.Metadata.Name().Elem(),
				// Readable by the group of the pod, which is Envoy's: 0440.
				DefaultMode: pulumi.Int(0o440),
			}},
		},
		User: user,
	}, pulumi.Parent(e))
	if err != nil {
		return nil, err
	}
	if err := e.newLoadBalancer(ctx, name, args, pulumi.DependsOn([]pulumi.Resource{envoys.Deployment})); err != nil {
		return nil, err
	}
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{})
}

func container(args *Args) *corev1.ContainerArgs {
	c := &corev1.ContainerArgs{
		Name:  pulumi.String(Name),
		Image: pulumi.String(args.Image),
		Args:  pulumi.ToStringArray(envoy.Args(envoy.Config{})),
		Ports: corev1.ContainerPortArray{
			port("https", envoy.HTTPSPort), port("metrics", envoy.MetricsPort), port("ready", envoy.ReadyPort),
		},
		VolumeMounts: corev1.VolumeMountArray{
			mount("config", envoy.ConfigDir), mount("certificate", envoy.CertificateDir),
		},
		Lifecycle: corev1.LifecycleArgs{
			PreStop: corev1.LifecycleHandlerArgs{Sleep: corev1.SleepActionArgs{Seconds: pulumi.Int(drainSeconds)}},
		},
		Resources: workload.Resources("100m", "128Mi", "512Mi"),
	}
	workload.Probes(c, corev1.ProbeArgs{HttpGet: corev1.HTTPGetActionArgs{
		Path: pulumi.String(envoy.ReadyPath), Port: pulumi.Int(envoy.ReadyPort),
	}})
	return c
}

func port(name string, number int) corev1.ContainerPortArgs {
	return corev1.ContainerPortArgs{Name: pulumi.String(name), ContainerPort: pulumi.Int(number)}
}

func mount(volume, path string) corev1.VolumeMountArgs {
	return corev1.VolumeMountArgs{Name: pulumi.String(volume), MountPath: pulumi.String(path), ReadOnly: pulumi.Bool(true)}
}
