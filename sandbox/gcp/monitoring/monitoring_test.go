package monitoring_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/monitoring"
)

var (
	promQL        = gcp.Properties{"query": `sum(rate(errors_total{job="envoy"}[5m])) > 0`, "disableMetricValidation": true}
	threshold     = gcp.Properties{"filter": `metric.type="compute.googleapis.com/instance/cpu/utilization" AND resource.type="gce_instance"`, "comparison": "COMPARISON_GT", "thresholdValue": 0.9, "duration": "60s"}
	policyConfig  = policyOf("conditionPrometheusQueryLanguage", promQL, nil)
	channelConfig = gcp.Properties{"type": "email", "displayName": "On call", "labels": gcp.Properties{"email_address": "oncall@example.com"}}
)

// policyOf returns a policy with one condition; changes are applied to the condition.
func policyOf(kind string, condition, changes gcp.Properties) gcp.Properties {
	return gcp.Properties{"displayName": "p", "combiner": "OR",
		"conditions": []any{gcp.Properties{"displayName": "c", kind: gcptest.With(condition, changes)}}}
}

func TestMonitoringIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	policy := func(changes gcp.Properties) gcp.Properties { return gcptest.With(policyConfig, changes) }
	prom := func(changes gcp.Properties) gcp.Properties {
		return policyOf("conditionPrometheusQueryLanguage", promQL, changes)
	}
	channel := func(changes gcp.Properties) gcp.Properties { return gcptest.With(channelConfig, changes) }
	cases := []struct {
		name   string
		kind   gcp.Kind
		config gcp.Properties
		code   int
		want   string
	}{
		{"combiner", monitoring.KindAlertPolicy, policy(gcp.Properties{"combiner": "XOR"}), 400, `"XOR" is not one of AND, OR`},
		{"no combiner", monitoring.KindAlertPolicy, policy(gcp.Properties{"combiner": nil}), 400, "must specify display_name, combiner"},
		{"no conditions", monitoring.KindAlertPolicy, policy(gcp.Properties{"conditions": []any{}}), 400, "from one to six conditions, not 0"},
		{"seven conditions", monitoring.KindAlertPolicy, policy(gcp.Properties{"conditions": []any{1, 2, 3, 4, 5, 6, 7}}), 400, "from one to six conditions, not 7"},
		{"empty condition", monitoring.KindAlertPolicy, policy(gcp.Properties{"conditions": []any{gcp.Properties{"displayName": "c"}}}), 400, "conditions[0].condition_case"},
		{"name", monitoring.KindAlertPolicy, policy(gcp.Properties{"displayName": strings.Repeat("ä", 513)}), 400, "513 characters are more than 512"},
		{"severity", monitoring.KindAlertPolicy, policy(gcp.Properties{"severity": "BAD"}), 400, "CRITICAL, ERROR, WARNING"},
		{"documentation", monitoring.KindAlertPolicy, policy(gcp.Properties{"documentation": gcp.Properties{"content": strings.Repeat("a", 8193)}}), 400, "8193 characters are more than 8192"},
		{"documentation's bytes", monitoring.KindAlertPolicy, policy(gcp.Properties{"documentation": gcp.Properties{"content": strings.Repeat("ä", 6000)}}), 400, "12000 bytes are more than 10240"},
		{"mime type", monitoring.KindAlertPolicy, policy(gcp.Properties{"documentation": gcp.Properties{"mimeType": "text/html"}}), 400, "text/markdown"},
		{"links", monitoring.KindAlertPolicy, policy(gcp.Properties{"documentation": gcp.Properties{"links": []any{1, 2, 3, 4}}}), 400, "4 links are more than 3"},
		{"label key", monitoring.KindAlertPolicy, policy(gcp.Properties{"userLabels": gcp.Properties{"App": "a"}}), 400, "userLabels.App': the key must be a lowercase letter"},
		{"label value", monitoring.KindAlertPolicy, policy(gcp.Properties{"userLabels": gcp.Properties{"app": "A b"}}), 400, `"A b" must be at most 63`},
		{"strategy", monitoring.KindAlertPolicy, policy(gcp.Properties{"alertStrategy": gcp.Properties{"autoClose": "3600s"}}), 400, "alertStrategy': is not emulated"},
		{"channel's name", monitoring.KindAlertPolicy, policy(gcp.Properties{"notificationChannels": []any{"on-call"}}), 400, "Name must begin with 'projects/{project_id}/notificationChannels/{channel_id}', got: on-call"},
		{"missing channel", monitoring.KindAlertPolicy, policy(gcp.Properties{"notificationChannels": []any{"projects/test-project/notificationChannels/1"}}), 404, "notificationChannels/1' was not found"},
		{"channels", monitoring.KindAlertPolicy, policy(gcp.Properties{"notificationChannels": make([]any, 17)}), 400, "17 channels are more than 16"},

		{"PromQL", monitoring.KindAlertPolicy, prom(gcp.Properties{"query": "sum(rate(a[5m])"}), 400, "conditionPrometheusQueryLanguage.query': invalid PromQL query: 1:1"},
		{"PromQL type", monitoring.KindAlertPolicy, prom(gcp.Properties{"query": "rate(a)"}), 400, "expected type range vector"},
		{"empty PromQL", monitoring.KindAlertPolicy, prom(gcp.Properties{"query": ""}), 400, "invalid PromQL query"},
		{"interval", monitoring.KindAlertPolicy, prom(gcp.Properties{"evaluationInterval": "45s"}), 400, `"45s" must be a multiple of 30s`},
		{"no interval", monitoring.KindAlertPolicy, prom(gcp.Properties{"evaluationInterval": "0s"}), 400, `"0s" must be a multiple of 30s, at least 30s`},
		{"PromQL duration", monitoring.KindAlertPolicy, prom(gcp.Properties{"duration": "-60s"}), 400, "must be zero or positive"},
		{"duration's form", monitoring.KindAlertPolicy, prom(gcp.Properties{"duration": "5m"}), 400, `"5m" is not a duration in seconds, such as "60s"`},
		{"PromQL label", monitoring.KindAlertPolicy, prom(gcp.Properties{"labels": gcp.Properties{"a-b": "c"}}), 400, "not a Prometheus label name"},
		{"alert rule", monitoring.KindAlertPolicy, prom(gcp.Properties{"alertRule": "Error ratio"}), 400, "must be a valid Prometheus label name"},
		{"metric that is not there yet", monitoring.KindAlertPolicy, prom(gcp.Properties{"disableMetricValidation": nil}), 404, `Cannot find metric(s) that match type = "errors_total"`},

		{"threshold", monitoring.KindAlertPolicy, policyOf("conditionThreshold", threshold, nil), 400, "conditionThreshold': is not emulated"},

		{"channel type", monitoring.KindNotificationChannel, channel(gcp.Properties{"type": "slack"}), 400, `"slack" is not emulated: stacks have email only`},
		{"address", monitoring.KindNotificationChannel, channel(gcp.Properties{"labels": gcp.Properties{"email_address": "on call"}}), 400, `"on call" is not an e-mail address`},
		{"no address", monitoring.KindNotificationChannel, channel(gcp.Properties{"labels": nil}), 400, "it is required"},
		{"channel label", monitoring.KindNotificationChannel, channel(gcp.Properties{"labels": gcp.Properties{"email_address": "a@example.com", "phone": "1"}}), 400, "email_address only"},
		{"forced channel", monitoring.KindNotificationChannel, channel(gcp.Properties{"forceDelete": true}), 400, "forceDelete': is not emulated"},
		{"channel description", monitoring.KindNotificationChannel, channel(gcp.Properties{"description": strings.Repeat("a", 1025)}), 400, "1025 characters are more than 1024"},
	}
	for _, tc := range cases {
		_, err := c.Create(context.Background(), tc.kind, gcptest.Here, tc.config)
		if err == nil || !strings.Contains(err.Error(), tc.want) || gcptest.Code(err) != tc.code {
			t.Errorf("%s: Create = %v, want an error %d with %q", tc.name, err, tc.code, tc.want)
		}
	}
	if left := c.Objects(); len(left) != 0 {
		t.Errorf("refused creations left %v", left)
	}
}

func TestAlertPoliciesAreAccepted(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	for _, config := range []gcp.Properties{
		policyConfig,
		policyOf("conditionPrometheusQueryLanguage", promQL, gcp.Properties{"duration": "0s", "evaluationInterval": "90s", "ruleGroup": "edge", "alertRule": "ErrorRatio",
			"labels": gcp.Properties{"team": "edge"}}),
		policyOf("conditionPrometheusQueryLanguage", gcp.Properties{"query": `{"compute.googleapis.com/instance/cpu/utilization"} > 0.9 or kubernetes_io:container_restart_count > 3`}, nil),
	} {
		gcptest.Create(t, c, monitoring.KindAlertPolicy, config)
	}
}

func TestAlertPolicyIsCompleted(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	channel := gcptest.Create(t, c, monitoring.KindNotificationChannel, channelConfig)
	config := gcptest.With(policyConfig, gcp.Properties{"notificationChannels": []any{channel.Name}, "documentation": gcp.Properties{"content": "d"}})
	o := gcptest.Create(t, c, monitoring.KindAlertPolicy, config)
	name := o.Properties().Text("name")
	condition := o.Properties().Objects("conditions")[0].Text("name")
	if !regexp.MustCompile(`^projects/test-project/alertPolicies/\d{19}$`).MatchString(name) || !strings.HasPrefix(condition, name+"/conditions/") {
		t.Errorf("names = %q and %q, want the API's", name, condition)
	}
	record := o.Properties().Objects("creationRecords")
	if len(record) != 1 || record[0].Text("mutatedBy") != gcp.Deployer("test-project") || record[0].Text("mutateTime") == "" || !o.Properties().Bool("enabled") {
		t.Errorf("policy = %v, want who made it, when, and that it is enabled", o.Properties())
	}
	if got := o.Properties().Text("documentation.mimeType"); got != "text/markdown" {
		t.Errorf("mimeType = %q, want the default", got)
	}
	more := config.Clone()
	more["documentation"] = nil
	more["conditions"] = append(more["conditions"].([]any), more["conditions"].([]any)[0])
	updated, err := c.Update(context.Background(), o.Name, gcptest.Here, more)
	if err != nil {
		t.Fatal(err)
	}
	conditions := updated.Properties().Objects("conditions")
	if len(conditions) != 2 || conditions[0].Text("name") != condition || conditions[1].Text("name") == condition || updated.Properties().Has("documentation") {
		t.Errorf("updated policy = %v, want the first condition's name kept, and no documentation", updated.Properties())
	}
	if fmt.Sprint(updated.Properties()["creationRecords"]) != fmt.Sprint(o.Properties()["creationRecords"]) {
		t.Error("an update changed the record of the creation")
	}
}

func TestChannelInUseIsKept(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	channel := gcptest.Create(t, c, monitoring.KindNotificationChannel, channelConfig)
	policy := gcptest.Create(t, c, monitoring.KindAlertPolicy, gcptest.With(policyConfig, gcp.Properties{"notificationChannels": []any{channel.Name}}))
	want := fmt.Sprintf("Could not delete %q because it is still being referenced by: %q", channel.Name, policy.Name)
	if err := c.Delete(context.Background(), channel.Name); gcptest.Code(err) != 400 || !strings.Contains(gcptest.ErrorText(err), want) {
		t.Errorf("deleting a channel in use: %v, want %q", err, want)
	}
	gcptest.Remove(t, c, policy.Name)
	gcptest.Remove(t, c, channel.Name)
}

func TestDashboardIsRefused(t *testing.T) {
	t.Parallel()
	text := func(content string) string { return fmt.Sprintf(`{"text": {"content": %q}}`, content) }
	tile := func(x, y, width, height int, widget string) string {
		return fmt.Sprintf(`{"xPos": %d, "yPos": %d, "width": %d, "height": %d, "widget": %s}`, x, y, width, height, widget)
	}
	mosaic := func(columns int, tiles ...string) string {
		return fmt.Sprintf(`{"displayName": "d", "mosaicLayout": {"columns": %d, "tiles": [%s]}}`, columns, strings.Join(tiles, ","))
	}
	grid := func(widgets ...string) string {
		return fmt.Sprintf(`{"displayName": "d", "gridLayout": {"columns": "2", "widgets": [%s]}}`, strings.Join(widgets, ","))
	}
	query := func(q string) string {
		return fmt.Sprintf(`{"title": "t", "xyChart": {"dataSets": [{"timeSeriesQuery": {"prometheusQuery": %q}}]}}`, q)
	}
	group := `{"title": "g", "collapsibleGroup": {}}`
	many := func(n int) []string {
		return strings.Split(strings.Repeat(text("a")+"\n", n)[:n*(len(text("a"))+1)-1], "\n")
	}
	tests := map[string]struct{ json, want string }{
		"no JSON":           {`{"displayName": }`, "not a JSON object"},
		"no object":         {`[]`, "not a JSON object"},
		"null":              {`null`, "not a JSON object"},
		"no name":           {`{"gridLayout": {}}`, "displayName is required"},
		"no layout":         {`{"displayName": "d"}`, "exactly one of gridLayout, mosaicLayout, rowLayout, columnLayout, and has 0"},
		"two layouts":       {`{"displayName": "d", "gridLayout": {}, "rowLayout": {}}`, "and has 2"},
		"unknown field":     {`{"displayName": "d", "gridLayout": {}, "title": "t"}`, `Unknown name "title" at "title"`},
		"widget's field":    {grid(`{"txt": {}, "blank": {}}`), `Unknown name "txt" at "gridLayout.widgets[0].txt"`},
		"empty widget":      {grid(`{"title": "t"}`), "gridLayout.widgets[0] must have exactly one of"},
		"101 widgets":       {grid(many(101)...), "101 widgets are more than 100"},
		"rows' widgets":     {`{"displayName": "d", "rowLayout": {"rows": [{"widgets": [{}]}]}}`, "rowLayout.rows[0].widgets[0] must have"},
		"columns' widgets":  {`{"displayName": "d", "columnLayout": {"columns": [{"widgets": [{}]}]}}`, "columnLayout.columns[0].widgets[0] must have"},
		"PromQL":            {grid(query("sum(")), "gridLayout.widgets[0].xyChart.dataSets[0].timeSeriesQuery.prometheusQuery: invalid PromQL query"},
		"columns":           {mosaic(49), "mosaicLayout.columns: 49 is not between 1 and 48"},
		"no columns":        {`{"displayName": "d", "mosaicLayout": {}}`, "mosaicLayout.columns: 0 is not between 1 and 48"},
		"beyond the edge":   {mosaic(12, tile(8, 0, 6, 4, text("a"))), "a tile of 6x4 at 8,0 is not within 12 columns"},
		"no width":          {mosaic(12, tile(0, 0, 0, 4, text("a"))), "a tile of 0x4"},
		"overlap":           {mosaic(12, tile(0, 0, 6, 4, text("a")), tile(5, 3, 6, 4, text("b"))), "mosaicLayout.tiles[1] overlaps mosaicLayout.tiles[0]"},
		"good mosaic":       {mosaic(12, tile(0, 0, 6, 4, text("a")), tile(6, 0, 6, 4, text("b")), tile(0, 4, 12, 4, query(`up{job="a"} == 0`))), ""},
		"group":             {mosaic(12, tile(0, 0, 12, 8, group), tile(0, 0, 6, 4, text("a"))), ""},
		"good grid":         {grid(many(100)...), ""},
		"query of variable": {grid(query(`rate(a{${cluster}}[${__interval}])`)), ""},
	}
	for name, test := range tests {
		var reasons []string
		for _, v := range gcptest.Open(t, t.TempDir(), nil).Check(monitoring.KindDashboard, gcp.Properties{"dashboardJson": test.json}) {
			reasons = append(reasons, v.Property+": "+v.Reason)
		}
		all := strings.Join(reasons, "\n")
		if test.want == "" && all != "" || !strings.Contains(all, test.want) {
			t.Errorf("%s: %q, want %q", name, all, test.want)
		}
	}
	if found := gcptest.Open(t, t.TempDir(), nil).Check(monitoring.KindDashboard, gcp.Properties{}); len(found) != 0 {
		t.Errorf("a dashboard that is not known yet: %v, want nothing", found)
	}
}

func TestDashboardIsNormalised(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	o := gcptest.Create(t, c, monitoring.KindDashboard, gcp.Properties{"dashboardJson": `{"gridLayout": {}, "displayName": "d"}`})
	if want := regexp.MustCompile(`^projects/` + gcp.ProjectNumber("test-project") + `/dashboards/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`); !want.MatchString(o.Name) {
		t.Errorf("name = %q, want %s", o.Name, want)
	}
	stored := func(o gcp.Object) (p gcp.Properties) {
		t.Helper()
		if err := json.Unmarshal([]byte(o.Properties().Text("dashboardJson")), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := stored(o)
	if first.Text("name") != o.Name || first.Text("etag") == "" || first.Text("displayName") != "d" || o.Properties().Text("project") != "test-project" {
		t.Errorf("stored = %v, want the name and an etag added", first)
	}
	updated, err := c.Update(context.Background(), o.Name, gcptest.Here, gcp.Properties{"dashboardJson": `{"gridLayout": {}, "displayName": "e"}`})
	if err != nil || stored(updated).Text("etag") == first.Text("etag") || stored(updated).Text("name") != o.Name {
		t.Errorf("updated = %v, %v, want another etag and the same name", stored(updated), err)
	}
	gcptest.Remove(t, c, o.Name)
}
