// Package monitoring monitors the edge: it scrapes Envoy and creates dashboards and alerts.
// All follow from the list of services.
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

// Monitoring is the monitoring of the edge.
type Monitoring struct {
	pulumi.ResourceState
}

// Args describe the monitoring.
type Args struct {
	Namespace pulumi.StringInput
	// Title distinguishes the dashboards and alerts of several stacks in a project.
	Title string
	// Cluster is the name of the cluster. NamespaceName is the name of Namespace as text.
	Cluster       pulumi.StringInput
	NamespaceName string
	// Workload is the name of Envoy's workload.
	Workload string
	// Config is the configuration of Envoy. Its backends are shown.
	Config envoy.Config
	// Emails lists the addresses that alerts are sent to.
	Emails []string
	// Thresholds are the limits of alerts.
	Thresholds Thresholds
	// InCluster creates objects in the cluster.
	InCluster *kubernetes.Provider
}

// New creates the scraping of Envoy, the dashboards and the alerts.
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

// newScrape makes Google Cloud Managed Service for Prometheus scrape Envoy (its
// documentation, "PodMonitoring").
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

// newDashboards creates the dashboards: several if there are too many services for one.
func (m *Monitoring) newDashboards(ctx *pulumi.Context, name string, args *Args) error {
	for i, content := range dashboards(args) {
		resource := name
		if i > 0 {
			resource = fmt.Sprintf("%s-%d", name, i+1)
		}
		_, err := monitoring.NewDashboard(ctx, resource, &monitoring.DashboardArgs{
			DashboardJson: args.Cluster.ToStringOutput().ApplyT(content.json).(pulumi.StringOutput),
		}, pulumi.Parent(m))
		if err != nil {
			return fmt.Errorf("creating dashboard %q: %w", resource, err)
		}
	}
	return nil
}
