// Package monitoring emulates Cloud Monitoring: it checks dashboards and alert policies with the
// queries in them.
package monitoring

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object that the API has.
const (
	KindDashboard           gcp.Kind = "monitoring.googleapis.com/Dashboard"
	KindAlertPolicy         gcp.Kind = "monitoring.googleapis.com/AlertPolicy"
	KindNotificationChannel gcp.Kind = "monitoring.googleapis.com/NotificationChannel"
)

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"monitoring.googleapis.com": "Cloud Monitoring API"},
		Kinds:  []*gcp.Resource{dashboardResource, alertPolicyResource, notificationChannelResource},
	}
}
