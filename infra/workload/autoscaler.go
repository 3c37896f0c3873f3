package workload

import (
	"fmt"

	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Scaling down removes one pod a minute, and only after five minutes without need, so that
// a pause does not slow down the calls after it. Scaling up is immediate (Kubernetes,
// "Horizontal Pod Autoscaling", default behavior).
const (
	scaleDownAfter = 300
	scaleDownEvery = 60
)

// newAutoscaler lets Kubernetes choose the number of pods. It measures the CPU time of a
// pod and not the share of its request: pods request little and may use what is free.
func (w *Workload) newAutoscaler(ctx *pulumi.Context, name string, args *Args) error {
	_, err := autoscalingv2.NewHorizontalPodAutoscaler(ctx, name, &autoscalingv2.HorizontalPodAutoscalerArgs{
		Metadata: Metadata(args.Namespace, args.Name),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpecArgs{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReferenceArgs{
				ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"), Name: pulumi.String(args.Name),
			},
			MinReplicas: pulumi.Int(args.Replicas.Least),
			MaxReplicas: pulumi.Int(args.Replicas.Most),
			Metrics: autoscalingv2.MetricSpecArray{autoscalingv2.MetricSpecArgs{
				Type: pulumi.String("Resource"),
				Resource: autoscalingv2.ResourceMetricSourceArgs{
					Name: pulumi.String("cpu"),
					Target: autoscalingv2.MetricTargetArgs{
						Type: pulumi.String("AverageValue"), AverageValue: pulumi.String(fmt.Sprintf("%dm", args.Replicas.AtMillicores)),
					},
				},
			}},
			Behavior: autoscalingv2.HorizontalPodAutoscalerBehaviorArgs{ScaleDown: autoscalingv2.HPAScalingRulesArgs{
				StabilizationWindowSeconds: pulumi.Int(scaleDownAfter),
				Policies: autoscalingv2.HPAScalingPolicyArray{autoscalingv2.HPAScalingPolicyArgs{
					Type: pulumi.String("Pods"), Value: pulumi.Int(1), PeriodSeconds: pulumi.Int(scaleDownEvery),
				}},
			}},
		},
	}, pulumi.Parent(w))
	if err != nil {
		return fmt.Errorf("creating the autoscaler of %q: %w", name, err)
	}
	return nil
}
