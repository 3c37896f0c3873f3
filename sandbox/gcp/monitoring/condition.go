package monitoring

import (
	"time"

	"github.com/prometheus/common/model"

	"example.com/grpc-edge/sandbox/gcp"
)

// promQLCondition is the one kind of condition that is emulated: no stack has another.
const promQLCondition = "conditionPrometheusQueryLanguage"

// conditionKinds lists the kinds of condition of an alert policy ("projects.alertPolicies",
// Cloud Monitoring API: Condition).
var conditionKinds = []string{
	"conditionThreshold", "conditionAbsent", promQLCondition,
	"conditionMatchedLog", "conditionMonitoringQueryLanguage", "conditionSql",
}

// checkCondition follows the descriptions of the kinds of condition in "projects.alertPolicies".
func checkCondition(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	for _, kind := range conditionKinds {
		if kind != promQLCondition {
			c.NotEmulated(kind)
		}
	}
	if p.Has(promQLCondition) {
		checkPromQL(c, promQLCondition+".")
	}
	return c.Found
}

func checkPromQL(c *gcp.Checker, at string) {
	if query, given := c.P.Get(at + "query").(string); given {
		if problem := promQLProblem(query); problem != "" {
			c.Wrong(at+"query", "%s", problem)
		}
	}
	if d, ok := seconds(c, at+"duration"); ok && d < 0 {
		c.Wrong(at+"duration", "%q must be zero or positive", c.P.Text(at+"duration"))
	}
	checkMultiple(c, at+"evaluationInterval", 30*time.Second, 30*time.Second)
	for key := range c.P.Object(at + "labels") {
		if !model.LegacyValidation.IsValidLabelName(key) {
			c.Wrong(at+"labels."+key, "%q is not a Prometheus label name", key)
		}
	}
	if rule := c.P.Text(at + "alertRule"); rule != "" && !model.LegacyValidation.IsValidLabelName(rule) {
		c.Wrong(at+"alertRule", "%q must be a valid Prometheus label name", rule)
	}
}
