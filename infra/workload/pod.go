package workload

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// podSpec returns a pod spec that meets the profile "restricted" of Kubernetes' Pod
// Security Standards, and restricts more than that.
func podSpec(args *Args, account *corev1.ServiceAccount) corev1.PodSpecArgs {
	spec := corev1.PodSpecArgs{
		ServiceAccountName:           account.Metadata.Name().Elem(),
		AutomountServiceAccountToken: pulumi.Bool(false),
		// Variables for each Service of the namespace would change the environment of a
		// program whenever a Service is added.
		EnableServiceLinks: pulumi.Bool(false),
		SecurityContext: corev1.PodSecurityContextArgs{
			RunAsNonRoot:   pulumi.Bool(true),
			RunAsUser:      pulumi.Int(args.User),
			RunAsGroup:     pulumi.Int(args.User),
			FsGroup:        pulumi.Int(args.User),
			SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
		},
		TerminationGracePeriodSeconds: pulumi.Int(int(args.Termination.Seconds())),
		TopologySpreadConstraints: corev1.TopologySpreadConstraintArray{
			spread(args.Name, ZoneLabel),
			spread(args.Name, "kubernetes.io/hostname"),
		},
		Containers: corev1.ContainerArray{restricted(args.Container)},
		Volumes:    args.Volumes,
	}
	if args.NodeSelector != nil { // an empty one would show in every diff
		spec.NodeSelector = args.NodeSelector
	}
	if args.Sidecar != nil {
		sidecar := restricted(args.Sidecar)
		// This makes it a sidecar (Kubernetes, "Sidecar Containers").
		sidecar.RestartPolicy = pulumi.String("Always")
		var list corev1.ContainerArray
		if args.First != nil {
			list = append(list, restricted(args.First))
		}
		list = append(list, sidecar)
		if args.Gate != nil {
			list = append(list, restricted(args.Gate))
		}
		spec.InitContainers = list
	}
	return spec
}

func restricted(container *corev1.ContainerArgs) corev1.ContainerArgs {
	c := *container
	c.SecurityContext = corev1.SecurityContextArgs{
		AllowPrivilegeEscalation: pulumi.Bool(false),
		ReadOnlyRootFilesystem:   pulumi.Bool(true),
		Capabilities:             corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
	}
	return c
}

// spread returns a preference, not a requirement: a cluster with one node runs all replicas
// on it.
func spread(name, topology string) corev1.TopologySpreadConstraintArgs {
	return corev1.TopologySpreadConstraintArgs{
		TopologyKey:       pulumi.String(topology),
		MaxSkew:           pulumi.Int(1),
		WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
		LabelSelector:     Selector(name),
		// Pods of the old version do not count.
		MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
	}
}

// Resources returns requests for CPU and memory and a limit on memory, as Kubernetes
// quantities. CPU has no limit: pods may use idle CPU, and throttling would only add
// latency. Memory is limited, so that a leak in one pod does not affect its neighbours.
func Resources(cpu, memory, memoryLimit string) corev1.ResourceRequirementsArgs {
	return corev1.ResourceRequirementsArgs{
		Requests: pulumi.StringMap{"cpu": pulumi.String(cpu), "memory": pulumi.String(memory)},
		Limits:   pulumi.StringMap{"memory": pulumi.String(memoryLimit)},
	}
}

// Probes sets the same probe three times. The startup probe gives the container this many
// seconds. The readiness probe is frequent, and takes the pod out of its Service. The
// liveness probe is patient, as a restart only helps a process that is stuck.
func Probes(container *corev1.ContainerArgs, probe corev1.ProbeArgs, seconds int) {
	startup, readiness, liveness := probe, probe, probe
	startup.PeriodSeconds, startup.FailureThreshold = pulumi.Int(1), pulumi.Int(seconds)
	readiness.PeriodSeconds, readiness.FailureThreshold = pulumi.Int(5), pulumi.Int(2)
	liveness.PeriodSeconds, liveness.FailureThreshold = pulumi.Int(10), pulumi.Int(6)
	container.StartupProbe, container.ReadinessProbe, container.LivenessProbe = startup, readiness, liveness
}
