// Package workload runs the replicas of one container the way all of ours run:
// unprivileged, spread over machines, without a token of the cluster's API, and
// never all down at once. What a pod of ours must not do is said here, once.
package workload

import (
	"fmt"
	"time"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// kubeletShare is what is left of a pod's grace period for the kubelet and the
// runtime to tell containers to stop, and to reap them.
const kubeletShare = 5 * time.Second

// Budget is what a container may take to stop in a pod with this grace period.
func Budget(termination time.Duration) time.Duration { return termination - kubeletShare }

// Workload is a Deployment with what belongs to it.
type Workload struct {
	pulumi.ResourceState

	// Deployment is there once its pods are ready.
	Deployment *appsv1.Deployment
}

// Args describe the workload. Its objects are all called Name.
type Args struct {
	Namespace pulumi.StringInput
	Name      string
	Replicas  config.Replicas
	// MinReadySeconds is how long a new pod has to be ready before a rollout goes
	// on; 0, the default, is no time.
	MinReadySeconds int
	// Container is completed with what every container of ours has, as are the others,
	// which are nil for none: First runs to its end before all of them, Sidecar starts before
	// Container and stops after it, and Gate runs to its end in between, until when the pod is
	// not ready, for at most GateTime. First and Gate need Sidecar.
	First, Sidecar, Gate, Container *corev1.ContainerArgs
	GateTime                        time.Duration
	Volumes                         corev1.VolumeArray
	// NodeSelector is for the labels of nodes that the pods want; nil for any node.
	NodeSelector pulumi.StringMap
	// Termination is how long a pod may take to stop, in whole seconds.
	Termination time.Duration
	// After are what the pods wait for; nil for nothing.
	After []pulumi.Resource
	// User is the number of the user that the container runs as.
	User int
}

// ZoneLabel is the label of nodes, and since Kubernetes 1.35 of pods, that holds
// their zone (Kubernetes, "Well-Known Labels, Annotations and Taints").
const ZoneLabel = "topology.kubernetes.io/zone"

// Labels select the pods of the workload of this name.
func Labels(name string) pulumi.StringMap {
	return pulumi.StringMap{"app.kubernetes.io/name": pulumi.String(name)}
}

// Selector is Labels for the fields that take a selector.
func Selector(name string) metav1.LabelSelectorArgs {
	return metav1.LabelSelectorArgs{MatchLabels: Labels(name)}
}

// Metadata is that of an object of the workload of this name.
func Metadata(namespace pulumi.StringInput, name string) metav1.ObjectMetaArgs {
	labels := Labels(name)
	labels["app.kubernetes.io/part-of"] = pulumi.String("grpc-edge")
	return metav1.ObjectMetaArgs{Namespace: namespace, Name: pulumi.String(name), Labels: labels}
}

// New creates the workload.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Workload, error) {
	w := &Workload{}
	if err := ctx.RegisterComponentResource("grpc-edge:workload:Workload", name, w, opts...); err != nil {
		return nil, fmt.Errorf("registering workload %q: %w", name, err)
	}
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{
		Metadata:                     Metadata(args.Namespace, args.Name),
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, pulumi.Parent(w))
	if err != nil {
		return nil, fmt.Errorf("creating service account %q: %w", name, err)
	}
	_, err = policyv1.NewPodDisruptionBudget(ctx, name, &policyv1.PodDisruptionBudgetArgs{
		Metadata: Metadata(args.Namespace, args.Name),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			Selector: Selector(args.Name),
			// A number that must stay available would stop node upgrades for ever
			// where there is a single replica.
			MaxUnavailable:             pulumi.Int(1),
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, pulumi.Parent(w))
	if err != nil {
		return nil, fmt.Errorf("creating pod disruption budget %q: %w", name, err)
	}
	w.Deployment, err = appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: Metadata(args.Namespace, args.Name),
		Spec:     deploymentSpec(args, account),
	}, pulumi.Parent(w), pulumi.DependsOn(args.After), pulumi.Timeouts(&pulumi.CustomTimeouts{Create: rollout(args), Update: rollout(args)}))
	if err != nil {
		return nil, fmt.Errorf("creating deployment %q: %w", name, err)
	}
	if args.Replicas.Scaled() {
		if err := w.newAutoscaler(ctx, name, args); err != nil {
			return nil, err
		}
	}
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{})
}

// surge is how many pods a rollout starts beside the old ones, rounded up: it takes two
// waves, however many replicas there are. Half of the old pods serve until the second
// wave is ready, so that a new version which fails at once takes no more than half of the
// calls. Where the nodes have no room for so many, as many start as fit.
const surge = "50%"

// rollout returns how long Pulumi waits for the pods: its 10 minutes
// (pulumi-kubernetes pull request 721), and the time that each waits before it is
// ready and has to be ready, as they come one by one where there is room for one only.
func rollout(args *Args) string {
	each := args.GateTime + time.Duration(args.MinReadySeconds)*time.Second
	return (10*time.Minute + time.Duration(max(args.Replicas.Least, args.Replicas.Most))*each).String()
}

func deploymentSpec(args *Args, account *corev1.ServiceAccount) appsv1.DeploymentSpecArgs {
	spec := appsv1.DeploymentSpecArgs{
		Selector: Selector(args.Name),
		Strategy: appsv1.DeploymentStrategyArgs{
			Type: pulumi.String("RollingUpdate"),
			RollingUpdate: appsv1.RollingUpdateDeploymentArgs{
				MaxSurge:       pulumi.String(surge),
				MaxUnavailable: pulumi.Int(0),
			},
		},
		Template: corev1.PodTemplateSpecArgs{
			Metadata: podMetadata(args),
			Spec:     podSpec(args, account),
		},
	}
	if !args.Replicas.Scaled() { // else each update would set back what the autoscaler chose
		spec.Replicas = pulumi.Int(args.Replicas.Least)
	}
	if args.MinReadySeconds > 0 {
		spec.MinReadySeconds = pulumi.Int(args.MinReadySeconds)
	}
	return spec
}

func podMetadata(args *Args) metav1.ObjectMetaArgs {
	metadata := metav1.ObjectMetaArgs{Labels: Metadata(args.Namespace, args.Name).Labels}
	if args.Sidecar != nil {
		// What kubectl logs and exec mean by the pod (Kubernetes, "Well-Known Labels,
		// Annotations and Taints").
		metadata.Annotations = pulumi.StringMap{"kubectl.kubernetes.io/default-container": args.Sidecar.Name.ToStringPtrOutput().Elem()}
	}
	return metadata
}
