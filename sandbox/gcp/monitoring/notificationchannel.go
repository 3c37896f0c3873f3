package monitoring

import (
	"fmt"
	"net/mail"
	"slices"

	"example.com/grpc-edge/sandbox/gcp"
)

var notificationChannelResource = &gcp.Resource{
	Kind: KindNotificationChannel, Noun: "notification channel", Name: "projects/{project}/notificationChannels/{number}",
	Permissions: gcp.CRUD("monitoring.notificationChannels"),
	Check:       checkNotificationChannel, Admit: admitNotificationChannel,
	Release: releaseNotificationChannel,
}

// checkNotificationChannel follows "projects.notificationChannels" (Cloud Monitoring API).
func checkNotificationChannel(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Length("displayName", 512)
	c.Length("description", 1024)
	checkUserLabels(c)
	c.OnlyEmulated("type", "email")
	c.NotEmulated("forceDelete", "sensitiveLabels")
	for key := range p.Object("labels") {
		if key != "email_address" {
			c.Wrong("labels."+key, "a channel of type email has the label email_address only")
		}
	}
	if address := p.Text("labels.email_address"); address != "" {
		if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
			c.Wrong("labels.email_address", "%q is not an e-mail address", address)
		}
	}
	return c.Found
}

func admitNotificationChannel(t *gcp.Change) error {
	if t.New.Config.Text("labels.email_address") == "" {
		return gcp.BadRequest(`Field "notification_channel.labels['email_address']" had an invalid value: it is required for a channel of type email.`)
	}
	t.Complete(gcp.Properties{"name": t.New.Name}, gcp.Properties{"enabled": true, "verificationStatus": ""})
	return nil
}

// releaseNotificationChannel refuses to delete a channel that policies use
// ("notificationChannels.delete", Cloud Monitoring API).
func releaseNotificationChannel(t *gcp.Change) error {
	for _, policy := range t.All(KindAlertPolicy, "projects/") {
		if slices.Contains(channelsOf(policy), t.Old.Name) {
			return &gcp.Error{Code: 400, Reason: "badRequest",
				Message: fmt.Sprintf("Could not delete %q because it is still being referenced by: %q", t.Old.Name, policy.Name)}
		}
	}
	return nil
}

// channelsOf returns the names of an alert policy's notification channels.
func channelsOf(o *gcp.Object) []string { return o.Config.Texts("notificationChannels") }
