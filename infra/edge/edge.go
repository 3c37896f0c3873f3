// Package edge deploys the entry point of the stack: Envoy behind a load balancer on the
// static address, with its certificate, its routes and its network policy.
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

// Name is the name of the workload, which services list as their caller.
const Name = "envoy"

// user is the user ID that Envoy runs as. It needs no name, as Envoy writes no file.
const user = 65532

// Memory of Envoy in bytes. Envoy sheds load near the limit instead of being killed. The
// number of connections is limited: each takes 32 KiB with its TLS and HTTP/2 state, and
// all together may take three quarters of the memory.
const (
	memoryRequest  = 256 << 20
	memoryLimit    = 1 << 30
	maxConnections = memoryLimit / 4 * 3 / (32 << 10)
)

// awaitBudget is the longest time that a new Envoy pod waits for healthy backends before it
// gets clients. For the first half it waits for all pods of each backend, then for one pod
// of each. The wait normally takes a second or two. A backend that is down delays each pod
// of a rollout by the whole budget.
const awaitBudget = 20 * time.Second

// Edge is the deployed edge.
type Edge struct {
	pulumi.ResourceState

	// LoadBalancer is the Service that clients reach. Other resources depend on it and not
	// on the component: a dependency on a component may miss children that are still being
	// registered (pulumi issue 7833).
	LoadBalancer pulumi.Resource
}

// Args describe the edge.
type Args struct {
	Namespace pulumi.StringInput
	// Image is a reference with a digest. LifecycleImage is the image of envoy/lifecycle.
	Image          string
	LifecycleImage pulumi.StringInput
	Replicas       config.Replicas
	// Config is the configuration of Envoy. The Name of each backend is the name of its
	// workload.
	Config envoy.Config
	// Termination is the grace period of a pod.
	Termination time.Duration
	// Autopilot reports whether the cluster is in that mode. NodeSelector lists the node
	// labels that the pods require; nil for any node.
	Autopilot    bool
	NodeSelector pulumi.StringMap
	// Chain and Key are the certificate in PEM; Key is a secret. If a Secret holds them
	// already, Secret is its name; else it is nil.
	Chain, Key, Secret pulumi.StringInput
	// AddressNames lists the resource names of the static addresses, one of each family. The
	// load balancer refers to the addresses only by these names.
	AddressNames pulumi.StringArray
	// MetricsNamespaces lists the namespaces whose pods may scrape Envoy.
	MetricsNamespaces []string
	// CollectorNamespace is the namespace of the collector that Envoy sends traces to;
	// empty for none.
	CollectorNamespace string
	// After lists the resources that the pods depend on; nil for none.
	After []pulumi.Resource
}

// Complete adds the settings to a configuration that follow from how the pods of the edge
// run.
func Complete(c envoy.Config, termination time.Duration) envoy.Config {
	c.MemoryLimit, c.MaxConnections = memoryLimit, maxConnections
	c.DrainTime, c.DrainFile = drainTime(termination), drainDir+"/pressure"
	return c
}

// New deploys the edge.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Edge, error) {
	e := &Edge{}
	if err := ctx.RegisterComponentResource("grpc-edge:edge:Edge", name, e, opts...); err != nil {
		return nil, fmt.Errorf("registering edge %q: %w", name, err)
	}
	if err := e.newNetworkPolicy(ctx, name, args); err != nil {
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
		}}, corev1.VolumeArgs{Name: pulumi.String(drainVolume), EmptyDir: corev1.EmptyDirVolumeSourceArgs{
			Medium: pulumi.String("Memory"), SizeLimit: pulumi.String("1Mi"),
		}}),
		User:           user,
		Termination:    args.Termination,
		StartupSeconds: startupSeconds,
		NodeSelector:   args.NodeSelector,
		After:          args.After,
	}, pulumi.Parent(e))
	if err != nil {
		return nil, err
	}
	if err := e.newLoadBalancer(ctx, name, args, pulumi.DependsOn([]pulumi.Resource{envoys.Deployment})); err != nil {
		return nil, err
	}
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{})
}

// container returns the container of Envoy with its configuration.
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
			workload.Mount(drainVolume, drainDir),
		},
		Resources: workload.Resources("100m", mebibytes(memoryRequest), mebibytes(memoryLimit)),
	}
	if config.ZoneAware() {
		// Expanded in the arguments. Kubernetes copies the label from the node to the pod
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

// startupSeconds is the longest time that Envoy may take to start: it reads a large
// configuration, and may wait for a certificate.
const startupSeconds = 120

func port(name string, number int) corev1.ContainerPortArgs {
	return corev1.ContainerPortArgs{Name: pulumi.String(name), ContainerPort: pulumi.Int(number)}
}

func mebibytes(bytes int) string { return fmt.Sprintf("%dMi", bytes>>20) }

// drainTime returns the time over which Envoy tells clients to leave, in its answers to a growing
// share of calls. It is a quarter of the time that envoy/lifecycle gives clients to finish,
// which is half of the budget, in whole seconds. A client that makes one call after another
// may begin a call just before the drain time ends, and is told only with the call after
// that. Both calls fit into the rest of the half if each takes less than a sixth of the
// budget.
func drainTime(termination time.Duration) time.Duration {
	return max(time.Second, (workload.Budget(termination) / 8).Truncate(time.Second))
}

// drainVolume is mounted at drainDir: envoy/lifecycle writes the file there, and Envoy reads it.
const (
	drainVolume = "drain"
	drainDir    = "/run/drain"
)

// lifecycle returns a container that runs a command of the program envoy/lifecycle. The
// program listens on no port, so the container has no probes.
func lifecycle(args *Args, command string, budget time.Duration) *corev1.ContainerArgs {
	c := lifecycleContainer(args, command,
		"-admin", fmt.Sprintf("127.0.0.1:%d", envoy.AdminPort), "-budget", budget.String(), "-file", args.Config.DrainFile)
	c.VolumeMounts = corev1.VolumeMountArray{corev1.VolumeMountArgs{Name: pulumi.String(drainVolume), MountPath: pulumi.String(drainDir)}}
	return c
}

func lifecycleContainer(args *Args, command string, flags ...string) *corev1.ContainerArgs {
	resources := workload.Resources("5m", "8Mi", "32Mi")
	if args.Autopilot {
		// The minimum request of a pod (GKE, "Resource requests in Autopilot"). The page
		// does not say whether Envoy counts, as it is a sidecar. Autopilot would raise a
		// smaller request, which would be a permanent diff.
		resources = workload.Resources("50m", "52Mi", "64Mi")
	}
	return &corev1.ContainerArgs{
		Name:      pulumi.String(command),
		Image:     args.LifecycleImage,
		Args:      pulumi.ToStringArray(append([]string{command}, flags...)),
		Resources: resources,
	}
}
