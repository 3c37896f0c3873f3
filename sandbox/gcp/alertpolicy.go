package gcp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

var alertPolicyRule = &rule{
	kind: KindAlertPolicy, name: "projects/{project}/alertPolicies/{number}",
	permissions: crud("monitoring.alertPolicies"),
	noun:        "alert policy", check: checkAlertPolicy, admit: admitAlertPolicy,
}

// checkAlertPolicy follows "projects.alertPolicies" (Cloud Monitoring API), and
// for the numbers "Quotas and limits" of Cloud Monitoring.
func checkAlertPolicy(p Properties) []Violation {
	c := &checker{p: p}
	c.length("displayName", 512)
	c.oneOf("combiner", "AND", "OR", "AND_WITH_MATCHING_RESOURCE")
	c.oneOf("severity", "CRITICAL", "ERROR", "WARNING")
	c.oneOf("documentation.mimeType", "text/markdown")
	c.length("documentation.content", 8192)
	c.bytes("documentation.content", 10240)
	c.bytes("documentation.subject", 10240)
	if n := len(p.objects("documentation.links")); n > 3 {
		c.wrong("documentation.links", "%d links are more than 3", n)
	}
	if n := len(p.strings("notificationChannels")); n > 16 {
		c.wrong("notificationChannels", "%d channels are more than 16", n)
	}
	c.userLabels()
	c.alertStrategy()
	conditions := p.objects("conditions")
	if p.has("conditions") && (len(conditions) < 1 || len(conditions) > 6) {
		c.wrong("conditions", "a policy has from one to six conditions, not %d", len(conditions))
	}
	for i, condition := range conditions {
		for _, v := range checkCondition(condition) {
			c.wrong(fmt.Sprintf("conditions[%d].%s", i, v.Property), "%s", v.Reason)
		}
	}
	return c.found
}

// alertStrategy checks how incidents are notified of and closed. That an incident
// stays open for half an hour at least is what the API answers.
func (c *checker) alertStrategy() {
	if d, ok := c.seconds("alertStrategy.autoClose"); ok && d < 30*time.Minute {
		c.wrong("alertStrategy.autoClose", "the autoclose duration should be at least 30 minutes")
	}
	for i, prompt := range c.p.strings("alertStrategy.notificationPrompts") {
		if !slices.Contains([]string{"", "OPENED", "CLOSED", "NOTIFICATION_PROMPT_UNSPECIFIED"}, prompt) {
			c.wrong(fmt.Sprintf("alertStrategy.notificationPrompts[%d]", i), "%q is not one of OPENED, CLOSED", prompt)
		}
	}
	logs := slices.ContainsFunc(c.p.objects("conditions"), func(condition Properties) bool { return condition.has("conditionMatchedLog") })
	if c.p.has("alertStrategy.notificationRateLimit") && c.p.has("conditions") && !logs {
		c.wrong("alertStrategy.notificationRateLimit", "metric-based alert policies must not specify a notification rate limit")
	}
}

var channelName = regexp.MustCompile(`^projects/[^/]+/notificationChannels/[^/]+$`)

func admitAlertPolicy(t *change) error {
	p := t.new.Config
	if p.str("displayName") == "" || p.str("combiner") == "" || len(p.objects("conditions")) == 0 {
		return badRequest("An alert policy must specify display_name, combiner and at least one condition.")
	}
	for i, condition := range p.objects("conditions") {
		if err := admitCondition(i, condition); err != nil {
			return err
		}
	}
	for _, name := range t.new.channels() {
		if !channelName.MatchString(name) {
			return badRequest("Name must begin with 'projects/{project_id}/notificationChannels/{channel_id}', got: %s", name)
		}
		if _, err := t.existingOf(KindNotificationChannel, name); err != nil {
			return err
		}
	}
	t.completeAlertPolicy()
	return nil
}

// completeAlertPolicy fills in what Google assigns: a condition keeps its name, by
// its place in the list, when the policy changes.
func (t *change) completeAlertPolicy() {
	conditions, old := t.new.Config.clone().objects("conditions"), t.new.Status.objects("conditions")
	for i, condition := range conditions {
		condition["name"] = fmt.Sprintf("%s/conditions/%s", t.new.Name, digits(19))
		if i < len(old) {
			condition["name"] = old[i].str("name")
		}
	}
	t.new.Status["conditions"] = toList(conditions)
	if !t.new.Status.has("creationRecords") {
		t.new.Status["creationRecords"] = []any{Properties{
			"mutateTime": t.now().UTC().Format(time.RFC3339Nano), "mutatedBy": Deployer(t.new.project()),
		}}
	}
	delete(t.new.Status, "documentation")
	if t.new.Config.has("documentation") {
		t.new.Status["documentation"] = t.new.Config.object("documentation").or(Properties{"mimeType": "text/markdown"})
	}
	t.complete(Properties{"name": t.new.Name}, Properties{"enabled": true})
}

// admitCondition refuses what the API refuses, but what a condition alone does not show.
func admitCondition(i int, condition Properties) error {
	given := conditionKindsOf(condition)
	if len(given) != 1 {
		return badRequest("Field alert_policy.conditions[%d].condition_case had an invalid value of \"%d\": exactly one condition "+
			"subtype (e.g. \"condition_absent\",\"condition_threshold\", etc.) must be set.", i, len(given))
	}
	query := condition.object("conditionPrometheusQueryLanguage")
	if query != nil && !query.boolean("disableMetricValidation") {
		for _, name := range promQLMetrics(query.str("query")) {
			if !systemMetric(name) { // nobody writes metrics to the emulated project
				return missingMetric(name)
			}
		}
	}
	for _, kind := range []string{"conditionThreshold", "conditionAbsent"} {
		filter := condition.object(kind).str("filter")
		if m := metricType.FindStringSubmatch(filter); m != nil && (!systemMetric(m[1]) || strings.HasPrefix(m[1], "logging.googleapis.com/user/")) {
			return missingMetric(m[1])
		}
	}
	return nil
}
