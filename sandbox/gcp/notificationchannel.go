package gcp

import (
	"fmt"
	"net/mail"
	"slices"
)

var notificationChannelRule = &rule{
	kind: KindNotificationChannel, name: "projects/{project}/notificationChannels/{number}",
	permissions: crud("monitoring.notificationChannels"),
	noun:        "notification channel", check: checkNotificationChannel, admit: admitNotificationChannel,
	release: releaseNotificationChannel, deleted: forgetChannel,
}

// checkNotificationChannel follows "projects.notificationChannels" (Cloud Monitoring API).
func checkNotificationChannel(p Properties) []Violation {
	c := &checker{p: p}
	c.length("displayName", 512)
	c.length("description", 1024)
	c.userLabels()
	if kind := p.str("type"); kind != "" && kind != "email" {
		c.wrong("type", "%q: only email channels are emulated", kind)
	}
	for key := range p.object("labels") {
		if key != "email_address" {
			c.wrong("labels."+key, "a channel of type email has the label email_address only")
		}
	}
	if address := p.str("labels.email_address"); address != "" {
		if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
			c.wrong("labels.email_address", "%q is not an e-mail address", address)
		}
	}
	return c.found
}

func admitNotificationChannel(t *change) error {
	if t.new.Config.str("labels.email_address") == "" {
		return badRequest(`Field "notification_channel.labels['email_address']" had an invalid value: it is required for a channel of type email.`)
	}
	t.complete(Properties{"name": t.new.Name}, Properties{"enabled": true, "verificationStatus": ""})
	return nil
}

// releaseNotificationChannel refuses to delete a channel that policies use,
// unless that is forced ("notificationChannels.delete", Cloud Monitoring API).
func releaseNotificationChannel(t *change) error {
	for _, policy := range t.all(KindAlertPolicy, "projects/") {
		if slices.Contains(policy.channels(), t.old.Name) && !t.old.Config.boolean("forceDelete") {
			return &Error{Code: 400, Reason: "badRequest",
				Message: fmt.Sprintf("Could not delete %q because it is still being referenced by: %q", t.old.Name, policy.Name)}
		}
	}
	return nil
}

// forgetChannel removes a deleted channel from the policies that used it.
func forgetChannel(t *change) {
	for _, policy := range t.all(KindAlertPolicy, "projects/") {
		if kept := slices.DeleteFunc(policy.channels(), func(name string) bool { return name == t.old.Name }); len(kept) < len(policy.channels()) {
			policy.Config["notificationChannels"] = toList(kept)
		}
	}
}

// channels returns the names of an alert policy's notification channels.
func (o *Object) channels() []string { return o.Config.strings("notificationChannels") }
