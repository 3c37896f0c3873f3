// Package monitoring watches the edge: what scrapes Envoy, a dashboard, and
// alerts. All follow from the list of services.
package monitoring

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/monitoring"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/workload"
)

// Monitoring is what watches the edge.
type Monitoring struct {
	pulumi.ResourceState
}

// Args describe what is watched.
type Args struct {
	Namespace pulumi.StringInput
	// Title tells dashboards and alerts of several stacks in a project apart.
	Title string
	// Cluster is the name of the cluster, and NamespaceName that of Namespace.
	Cluster       pulumi.StringInput
	NamespaceName string
	// Workload is the name of Envoy's.
	Workload string
	// Config is what Envoy does: its backends are what is shown.
	Config envoy.Config
	// Emails are told of alerts.
	Emails []string
	// Thresholds say when to alert.
	Thresholds Thresholds
	// InCluster is for what lives in the cluster.
	InCluster *kubernetes.Provider
	// Ready are what has to exist first, such as the API.
	Ready []pulumi.Resource
}

// New creates what watches the edge.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Monitoring, error) {
	m := &Monitoring{}
	if err := ctx.RegisterComponentResource("grpc-edge:monitoring:Monitoring", name, m, opts...); err != nil {
		return nil, fmt.Errorf("registering monitoring %q: %w", name, err)
	}
	for _, create := range []func(*pulumi.Context, string, *Args) error{m.newScrape, m.newDashboards, m.newAlerts} {
		if err := create(ctx, name, args); err != nil {
			return nil, err
		}
	}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{})
}

// newScrape has Google Cloud Managed Service for Prometheus read Envoy's metrics
// (its documentation, "PodMonitoring").
func (m *Monitoring) newScrape(ctx *pulumi.Context, name string, args *Args) error {
	_, err := apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String("monitoring.googleapis.com/v1"),
		Kind:       pulumi.String("PodMonitoring"),
		Metadata:   workload.Metadata(args.Namespace, args.Workload),
		OtherFields: kubernetes.UntypedArgs{
			"spec": pulumi.Map{
				"selector":  pulumi.Map{"matchLabels": workload.Labels(args.Workload)},
				"endpoints": pulumi.Array{pulumi.Map{"port": pulumi.String("metrics"), "path": pulumi.String(envoy.MetricsPath), "interval": pulumi.String("30s")}},
			},
		},
	}, pulumi.Parent(m), pulumi.Provider(args.InCluster))
	if err != nil {
		return fmt.Errorf("creating the PodMonitoring of %q: %w", name, err)
	}
	return nil
}

// newDashboards splits what is too much for one dashboard.
func (m *Monitoring) newDashboards(ctx *pulumi.Context, name string, args *Args) error {
	for i, content := range dashboards(args) {
		resource := name
		if i > 0 {
			resource = fmt.Sprintf("%s-%d", name, i+1)
		}
		_, err := monitoring.NewDashboard(ctx, resource, &monitoring.DashboardArgs{
			DashboardJson: args.Cluster.ToStringOutput().ApplyT(content.json).(pulumi.StringOutput),
		}, pulumi.Parent(m), pulumi.DependsOn(args.Ready))
		if err != nil {
			return fmt.Errorf("creating dashboard %q: %w", resource, err)
		}
	}
	return nil
}
