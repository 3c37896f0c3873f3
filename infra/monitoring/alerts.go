package monitoring

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/monitoring"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Thresholds holds the limits of alerts.
type Thresholds struct {
	// ErrorPercent is the share of a service's calls that may fail, in percent.
	ErrorPercent int
	// P99Milliseconds is the time within which 99 of 100 calls must end.
	P99Milliseconds int
}

// alert describes one alert policy. Its query has a result only when something is wrong.
type alert struct {
	name, title, severity string
	query                 func(selector string) string
	// advice tells the person who is called what to do, in Markdown.
	advice string
}

// newAlerts creates a policy for each alert. One query covers all services, because Google
// charges for each condition. It opens an incident for each service.
func (m *Monitoring) newAlerts(ctx *pulumi.Context, name string, args *Args) error {
	channels, err := m.newChannels(ctx, name, args)
	if err != nil {
		return err
	}
	for _, a := range alerts(args) {
		query := args.Cluster.ToStringOutput().ApplyT(func(cluster string) string {
			return a.query(selector(cluster, args.NamespaceName))
		}).(pulumi.StringOutput)
		_, err := monitoring.NewAlertPolicy(ctx, name+"-"+a.name, &monitoring.AlertPolicyArgs{
			DisplayName: pulumi.String(args.Title + ": " + a.title),
			Severity:    pulumi.String(a.severity),
			Combiner:    pulumi.String("OR"),
			Conditions: monitoring.AlertPolicyConditionArray{monitoring.AlertPolicyConditionArgs{
				DisplayName: pulumi.String(a.title),
				ConditionPrometheusQueryLanguage: monitoring.AlertPolicyConditionConditionPrometheusQueryLanguageArgs{
					Query:              query,
					Duration:           pulumi.String("300s"),
					EvaluationInterval: pulumi.String("60s"),
					// Google refuses a metric that nobody has written yet, as on the first
					// deployment (Cloud Monitoring API, AlertPolicy).
					DisableMetricValidation: pulumi.Bool(true),
				},
			}},
			Documentation: monitoring.AlertPolicyDocumentationArgs{
				Content: pulumi.String(a.advice), MimeType: pulumi.String("text/markdown"),
			},
			NotificationChannels: channels,
		}, pulumi.Parent(m))
		if err != nil {
			return fmt.Errorf("creating alert %q: %w", a.name, err)
		}
	}
	return nil
}

// newChannels creates a notification channel for each mail address.
func (m *Monitoring) newChannels(ctx *pulumi.Context, name string, args *Args) (pulumi.StringArray, error) {
	var channels pulumi.StringArray
	for _, address := range args.Emails {
		channel, err := monitoring.NewNotificationChannel(ctx, name+"-"+address, &monitoring.NotificationChannelArgs{
			DisplayName: pulumi.String(args.Title + ": " + address),
			Type:        pulumi.String("email"),
			Labels:      pulumi.StringMap{"email_address": pulumi.String(address)},
		}, pulumi.Parent(m))
		if err != nil {
			return nil, fmt.Errorf("creating the notification channel for %s: %w", address, err)
		}
		channels = append(channels, channel.ID())
	}
	return channels, nil
}
