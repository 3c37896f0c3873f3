// Package edge is the one way in: Envoy behind a load balancer on the static
// address, with its certificate, its routes and its network policy.
package edge

import (
	"cmp"
	"fmt"
	"time"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/workload"
)

// Name is that of the workload, which services name as their caller.
const Name = "envoy"

// user is the number that Envoy runs as: it needs no name, as it writes no file.
const user = 65532

// Memory of Envoy in bytes. It refuses work near the limit instead of being
// killed, and the number of connections is bounded by what 32 KiB for each, with
// their TLS and HTTP/2 state, take of three quarters of it.
const (
	memoryRequest  = 256 << 20
	memoryLimit    = 1 << 30
	maxConnections = memoryLimit / 4 * 3 / (32 << 10)
)

// awaitBudget is for how long a new Envoy gets no clients because a backend has no
// healthy pod that it can reach, and half of it because not all are. A second or two
// are the rule; a backend that is down makes each pod of a rollout so much later.
const awaitBudget = 20 * time.Second

// Edge is the deployed edge.
type Edge struct {
	pulumi.ResourceState

	// LoadBalancer is the Service that clients reach: what needs it depends on it and not on
	// the component, as a dependency on that may miss children whose registration is under
	// way (pulumi issue 7833).
	LoadBalancer pulumi.Resource
}

// Args describe the edge.
type Args struct {
	Namespace pulumi.StringInput
	// Image is a reference with a digest; LifecycleImage is that of envoy/lifecycle.
	Image          string
	LifecycleImage pulumi.StringInput
	Replicas       config.Replicas
	// Config is what Envoy does. The Name of each backend is that of the workload
	// behind it.
	Config envoy.Config
	// Termination is how long a pod may take to stop.
	Termination time.Duration
	// Autopilot says that the cluster is in that mode; NodeSelector is for the labels of
	// nodes that the pods want, nil for any node.
	Autopilot    bool
	NodeSelector pulumi.StringMap
	// Chain and Key are the certificate in PEM; Key is a secret. Secret is the name
	// of a Secret that holds them already, else nil.
	Chain, Key, Secret pulumi.StringInput
	// AddressName is the name of the static address, of which the load balancer
	// is given nothing else.
	AddressName pulumi.StringInput
	// MetricsNamespaces are the namespaces whose pods may scrape Envoy.
	MetricsNamespaces []string
	// CollectorNamespace is where Envoy sends traces to; empty for nowhere.
	CollectorNamespace string
}

// Complete adds to a configuration what follows from how the pods of the edge run.
func Complete(c envoy.Config, termination time.Duration) envoy.Config {
	c.MemoryLimit, c.MaxConnections = memoryLimit, maxConnections
	c.DrainTime = drainTime(termination)
	return c
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
	secret, err := e.secret(ctx, name, args)
	if err != nil {
		return nil, err
	}
	envoys, err := workload.New(ctx, name, &workload.Args{
		Namespace: args.Namespace,
		Name:      Name,
		Replicas:  args.Replicas,
		// Envoy is the sidecar: it stops when the drain has ended, and not before.
		First:     config.unpack,
		Sidecar:   container(args, config.envoy),
		Gate:      lifecycle(args, "await", awaitBudget),
		GateTime:  awaitBudget,
		Container: lifecycle(args, "drain", workload.Budget(args.Termination)),
		Volumes: append(config.volumes, corev1.VolumeArgs{Name: pulumi.String("certificate"), Secret: corev1.SecretVolumeSourceArgs{
			SecretName: secret.ToStringOutput(),
			// Readable by the group of the pod, which is Envoy's: 0440.
			DefaultMode: pulumi.Int(0o440),
		}}),
		User:         user,
		Termination:  args.Termination,
		NodeSelector: args.NodeSelector,
	}, pulumi.Parent(e))
	if err != nil {
		return nil, err
	}
	if err := e.newLoadBalancer(ctx, name, args, pulumi.DependsOn([]pulumi.Resource{envoys.Deployment})); err != nil {
		return nil, err
	}
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{})
}

// container returns that of Envoy with its configuration.
func container(args *Args, config envoy.Config) *corev1.ContainerArgs {
	c := &corev1.ContainerArgs{
		Name:  pulumi.String(Name),
		Image: pulumi.String(args.Image),
		Args:  pulumi.ToStringArray(envoy.Args(config)),
		Ports: corev1.ContainerPortArray{
			port("https", envoy.HTTPSPort), port("metrics", envoy.MetricsPort), port("ready", envoy.ReadyPort),
		},
		VolumeMounts: corev1.VolumeMountArray{
			workload.Mount(configVolume, cmp.Or(config.ConfigDir, envoy.ConfigDir)), workload.Mount("certificate", envoy.CertificateDir),
		},
		Resources: workload.Resources("100m", mebibytes(memoryRequest), mebibytes(memoryLimit)),
	}
	if config.ZoneAware() {
		// Expanded in the arguments. Kubernetes copies the label from the node
		// (Kubernetes, "Pod topology labels").
		c.Env = corev1.EnvVarArray{corev1.EnvVarArgs{Name: pulumi.String("ZONE"), ValueFrom: corev1.EnvVarSourceArgs{
			FieldRef: corev1.ObjectFieldSelectorArgs{FieldPath: pulumi.String("metadata.labels['" + workload.ZoneLabel + "']")},
		}}}
	}
	workload.Probes(c, corev1.ProbeArgs{HttpGet: corev1.HTTPGetActionArgs{
		Path: pulumi.String(envoy.ReadyPath), Port: pulumi.Int(envoy.ReadyPort),
	}}, startupSeconds)
	return c
}

// startupSeconds is how long Envoy may take to start: it reads a large configuration,
// and may wait for a certificate.
const startupSeconds = 120

func port(name string, number int) corev1.ContainerPortArgs {
	return corev1.ContainerPortArgs{Name: pulumi.String(name), ContainerPort: pulumi.Int(number)}
}

func mebibytes(bytes int) string { return fmt.Sprintf("%dMi", bytes>>20) }

// drainTime is for how long a growing share of calls tells its client to go: a
// quarter of the time that envoy/lifecycle has clients finish in, which is half of the
// budget, in whole seconds. Envoy tells a client as it answers its next call. One
// that makes a call after the other may begin its last one just before the time is
// over, and is told with the one after that: both fit into what is left of the half
// if each takes less than a sixth of the budget.
func drainTime(termination time.Duration) time.Duration {
	return max(time.Second, (workload.Budget(termination) / 8).Truncate(time.Second))
}

// lifecycle is a container of the program of that name, which listens on nothing, so
// that there is nothing to probe.
func lifecycle(args *Args, command string, budget time.Duration) *corev1.ContainerArgs {
	return lifecycleContainer(args, command,
		"-admin", fmt.Sprintf("127.0.0.1:%d", envoy.AdminPort), "-budget", budget.String())
}

func lifecycleContainer(args *Args, command string, flags ...string) *corev1.ContainerArgs {
	resources := workload.Resources("5m", "8Mi", "32Mi")
	if args.Autopilot {
		// The least that a pod asks for (GKE, "Resource requests in Autopilot"), which does
		// not say whether Envoy counts, as it is a sidecar: Autopilot would raise what is
		// less, and that would show as a change for ever.
		resources = workload.Resources("50m", "52Mi", "64Mi")
	}
	return &corev1.ContainerArgs{
		Name:      pulumi.String(command),
		Image:     args.LifecycleImage,
		Args:      pulumi.ToStringArray(append([]string{command}, flags...)),
		Resources: resources,
	}
}
