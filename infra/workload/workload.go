// Package workload deploys the replicas of one container with the stack's common settings:
// unprivileged, spread over machines, without a token for the cluster's API, and never all
// down at once. The restrictions on pods are defined only here.
package workload

import (
	"cmp"
	"fmt"
	"time"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// kubeletShare is the part of a pod's grace period that the kubelet and the runtime need to
// stop containers and clean up.
const kubeletShare = 5 * time.Second

// Budget returns the time that a container may take to stop in a pod with this grace
// period.
func Budget(termination time.Duration) time.Duration { return termination - kubeletShare }

// Workload is a Deployment with the objects that belong to it.
type Workload struct {
	pulumi.ResourceState

	// Deployment is there once its pods are ready.
	Deployment *appsv1.Deployment
}

// Args describe the workload. Its objects are all called Name, except the pods' service account
// if it has a name of its own.
type Args struct {
	Namespace pulumi.StringInput
	Name      string
	Account   string
	Replicas  config.Replicas
	// MinReadySeconds is the time that a new pod must be ready before a rollout continues;
	// 0, the default, is no time.
	MinReadySeconds int
	// StartupSeconds is the longest time that a new pod takes until it is ready, without
	// GateTime.
	StartupSeconds int
	// Container and the other containers get the settings that all containers share. The
	// others are nil for none. First runs to its end before all of them. Sidecar starts
	// before Container and stops after it. Gate runs to its end in between, for at most
	// GateTime; until then the pod is not ready. First and Gate need Sidecar.
	First, Sidecar, Gate, Container *corev1.ContainerArgs
	GateTime                        time.Duration
	Volumes                         corev1.VolumeArray
	// NodeSelector lists the node labels that the pods require; nil for any node.
	NodeSelector pulumi.StringMap
	// Termination is the grace period of a pod, in whole seconds.
	Termination time.Duration
	// After lists the resources that the pods depend on; nil for none.
	After []pulumi.Resource
	// Annotations are those of the pods; nil for none. A change rolls them.
	Annotations pulumi.StringMap
	// User is the user ID that the container runs as.
	User int
}

// ZoneLabel is the label of nodes, and since Kubernetes 1.35 of pods, that holds
// their zone (Kubernetes, "Well-Known Labels, Annotations and Taints").
const ZoneLabel = "topology.kubernetes.io/zone"

// Labels returns the labels that select the pods of the workload of this name.
func Labels(name string) pulumi.StringMap {
	return pulumi.StringMap{"app.kubernetes.io/name": pulumi.String(name)}
}

// Selector returns Labels as a selector.
func Selector(name string) metav1.LabelSelectorArgs {
	return metav1.LabelSelectorArgs{MatchLabels: Labels(name)}
}

// Metadata returns the metadata of an object of the workload of this name.
func Metadata(namespace pulumi.StringInput, name string) metav1.ObjectMetaArgs {
	labels := Labels(name)
	labels["app.kubernetes.io/part-of"] = pulumi.String("grpc-edge")
	return metav1.ObjectMetaArgs{Namespace: namespace, Name: pulumi.String(name), Labels: labels}
}

func accountMetadata(args *Args) metav1.ObjectMetaArgs {
	metadata := Metadata(args.Namespace, args.Name)
	metadata.Name = pulumi.String(cmp.Or(args.Account, args.Name))
	return metadata
}

// New creates the workload.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Workload, error) {
	w := &Workload{}
	if err := ctx.RegisterComponentResource("grpc-edge:workload:Workload", name, w, opts...); err != nil {
		return nil, fmt.Errorf("registering workload %q: %w", name, err)
	}
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{
		Metadata:                     accountMetadata(args),
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, pulumi.Parent(w))
	if err != nil {
		return nil, fmt.Errorf("creating service account %q: %w", name, err)
	}
	_, err = policyv1.NewPodDisruptionBudget(ctx, name, &policyv1.PodDisruptionBudgetArgs{
		Metadata: Metadata(args.Namespace, args.Name),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			Selector: Selector(args.Name),
			// A number that must stay available would block node upgrades forever where
			// there is a single replica.
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

// surge is the share of new pods that a rollout starts beside the old ones, rounded up. A
// rollout takes two waves for any number of replicas. Half of the old pods serve until the
// second wave is ready, so a new version that fails at once affects at most half of the
// calls. If the nodes have no room for so many, as many start as fit.
const surge = "50%"

// patience is the time for delays that the workload cannot know: waiting for room on a node, and
// pulling images. It is the default of Pulumi (pulumi-kubernetes pull request 721) and of Kubernetes
// (Deployment, progressDeadlineSeconds).
const patience = 10 * time.Minute

// rollout returns the timeout with which Pulumi waits for the pods. It is patience, plus the
// start-up time for each of the two waves, plus GateTime and MinReadySeconds for each pod, as
// pods start one by one if there is room for only one.
func rollout(args *Args) string {
	each := args.GateTime + seconds(args.MinReadySeconds)
	return (patience + 2*seconds(args.StartupSeconds) + time.Duration(max(args.Replicas.Least, args.Replicas.Most))*each).String()
}

// progressDeadline returns the time after which Kubernetes gives up a rollout because no pod has
// become available. Pulumi then fails, too.
func progressDeadline(args *Args) time.Duration {
	return patience + seconds(args.StartupSeconds) + args.GateTime + seconds(args.MinReadySeconds)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

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
		ProgressDeadlineSeconds: pulumi.Int(int(progressDeadline(args).Seconds())),
		Template: corev1.PodTemplateSpecArgs{
			Metadata: podMetadata(args),
			Spec:     podSpec(args, account),
		},
	}
	if !args.Replicas.Scaled() { // else each update would revert the autoscaler's choice
		spec.Replicas = pulumi.Int(args.Replicas.Least)
	}
	if args.MinReadySeconds > 0 {
		spec.MinReadySeconds = pulumi.Int(args.MinReadySeconds)
	}
	return spec
}

func podMetadata(args *Args) metav1.ObjectMetaArgs {
	metadata := metav1.ObjectMetaArgs{Labels: Metadata(args.Namespace, args.Name).Labels}
	if args.Annotations != nil {
		metadata.Annotations = args.Annotations
	}
	if args.Sidecar != nil {
		// kubectl logs and exec use this container by default (Kubernetes, "Well-Known
		// Labels, Annotations and Taints").
		metadata.Annotations = pulumi.StringMap{"kubectl.kubernetes.io/default-container": args.Sidecar.Name.ToStringPtrOutput().Elem()}
	}
	return metadata
}
