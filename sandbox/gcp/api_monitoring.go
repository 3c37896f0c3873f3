// Package monitoring emulates Cloud Monitoring: it checks dashboards and alert policies with the
// queries in them.
package gcp

// The kinds of object.
const (
	KindDashboard           Kind = "monitoring.googleapis.com/Dashboard"
	KindAlertPolicy         Kind = "monitoring.googleapis.com/AlertPolicy"
	KindNotificationChannel Kind = "monitoring.googleapis.com/NotificationChannel"
)

// API returns the API.
func API_monitoring() API {
	return API{
		Titles: map[string]string{"monitoring.googleapis.com": "Cloud Monitoring API"},
		Kinds:  []*rule{dashboardRule, alertPolicyRule, notificationChannelRule},
	}
}
