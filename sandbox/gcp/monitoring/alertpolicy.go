package monitoring

import (
	"fmt"
	"regexp"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
)

var alertPolicyResource = &gcp.Resource{
	Kind: KindAlertPolicy, Noun: "alert policy", Name: "projects/{project}/alertPolicies/{number}",
	Permissions: gcp.CRUD("monitoring.alertPolicies"),
	Check:       checkAlertPolicy, Admit: admitAlertPolicy,
}

// checkAlertPolicy follows "projects.alertPolicies" (Cloud Monitoring API), and
// for the numbers "Quotas and limits" of Cloud Monitoring.
func checkAlertPolicy(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Length("displayName", 512)
	c.OneOf("combiner", "AND", "OR", "AND_WITH_MATCHING_RESOURCE")
	c.OneOf("severity", "CRITICAL", "ERROR", "WARNING")
	c.OneOf("documentation.mimeType", "text/markdown")
	c.Length("documentation.content", 8192)
	c.Bytes("documentation.content", 10240)
	c.Bytes("documentation.subject", 10240)
	if n := len(p.Objects("documentation.links")); n > 3 {
		c.Wrong("documentation.links", "%d links are more than 3", n)
	}
	if n := len(p.Texts("notificationChannels")); n > 16 {
		c.Wrong("notificationChannels", "%d channels are more than 16", n)
	}
	checkUserLabels(c)
	c.NotEmulated("alertStrategy")
	conditions := p.Objects("conditions")
	if p.Has("conditions") && (len(conditions) < 1 || len(conditions) > 6) {
		c.Wrong("conditions", "a policy has from one to six conditions, not %d", len(conditions))
	}
	for i, condition := range conditions {
		for _, v := range checkCondition(condition) {
			c.Wrong(fmt.Sprintf("conditions[%d].%s", i, v.Property), "%s", v.Reason)
		}
	}
	return c.Found
}

var channelName = regexp.MustCompile(`^projects/[^/]+/notificationChannels/[^/]+$`)

func admitAlertPolicy(t *gcp.Change) error {
	p := t.New.Config
	if p.Text("displayName") == "" || p.Text("combiner") == "" || len(p.Objects("conditions")) == 0 {
		return gcp.BadRequest("An alert policy must specify display_name, combiner and at least one condition.")
	}
	for i, condition := range p.Objects("conditions") {
		if err := admitCondition(i, condition); err != nil {
			return err
		}
	}
	for _, name := range channelsOf(t.New) {
		if !channelName.MatchString(name) {
			return gcp.BadRequest("Name must begin with 'projects/{project_id}/notificationChannels/{channel_id}', got: %s", name)
		}
		if _, err := t.ExistingOf(KindNotificationChannel, name); err != nil {
			return err
		}
	}
	completeAlertPolicy(t)
	return nil
}

// completeAlertPolicy fills in what Google assigns: a condition keeps its name, by
// its place in the list, when the policy changes.
func completeAlertPolicy(t *gcp.Change) {
	conditions, old := t.New.Config.Clone().Objects("conditions"), t.New.Status.Objects("conditions")
	for i, condition := range conditions {
		condition["name"] = fmt.Sprintf("%s/conditions/%s", t.New.Name, gcp.RandomDigits(19))
		if i < len(old) {
			condition["name"] = old[i].Text("name")
		}
	}
	t.New.Status["conditions"] = gcp.List(conditions)
	if !t.New.Status.Has("creationRecords") {
		t.New.Status["creationRecords"] = []any{gcp.Properties{
			"mutateTime": t.Now().UTC().Format(time.RFC3339Nano), "mutatedBy": gcp.Deployer(t.New.Project()),
		}}
	}
	delete(t.New.Status, "documentation")
	if t.New.Config.Has("documentation") {
		t.New.Status["documentation"] = t.New.Config.Object("documentation").Or(gcp.Properties{"mimeType": "text/markdown"})
	}
	t.Complete(gcp.Properties{"name": t.New.Name}, gcp.Properties{"enabled": true})
}

// admitCondition refuses what the API refuses for reasons that a condition alone does not show.
func admitCondition(i int, condition gcp.Properties) error {
	query := condition.Object(promQLCondition)
	if query == nil {
		return gcp.BadRequest("Field alert_policy.conditions[%d].condition_case had an invalid value of \"0\": exactly one condition "+
			"subtype (e.g. \"condition_absent\",\"condition_threshold\", etc.) must be set.", i)
	}
	if query.Bool("disableMetricValidation") {
		return nil
	}
	for _, name := range promQLMetrics(query.Text("query")) {
		if !systemMetric(name) { // nobody writes metrics to the emulated project
			return missingMetric(name)
		}
	}
	return nil
}
