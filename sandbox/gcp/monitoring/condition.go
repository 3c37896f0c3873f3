package monitoring

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"example.com/grpc-edge/sandbox/gcp"
)

// conditionKinds lists the kinds of condition of an alert policy ("projects.alertPolicies",
// Cloud Monitoring API: Condition).
var conditionKinds = []string{
	"conditionThreshold", "conditionAbsent", "conditionPrometheusQueryLanguage",
	"conditionMatchedLog", "conditionMonitoringQueryLanguage", "conditionSql",
}

func conditionKindsOf(condition gcp.Properties) []string {
	return slices.DeleteFunc(slices.Clone(conditionKinds), func(kind string) bool { return !condition.Has(kind) })
}

// checkCondition follows the descriptions of the kinds of condition in "projects.alertPolicies".
// It does not check logs, MQL and SQL.
func checkCondition(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	if given := conditionKindsOf(p); len(given) > 1 {
		c.Wrong(given[1], "a condition is of one kind, and %s is given already", given[0])
	}
	if p.Has("conditionPrometheusQueryLanguage") {
		checkPromQL(c, "conditionPrometheusQueryLanguage.")
	}
	if p.Has("conditionThreshold") {
		checkThreshold(c, "conditionThreshold.")
	}
	if p.Has("conditionAbsent") {
		checkFilter(c, "conditionAbsent.filter")
		checkAggregations(c, "conditionAbsent.aggregations")
		checkMultiple(c, "conditionAbsent.duration", time.Minute, 2*time.Minute)
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

func checkThreshold(c *gcp.Checker, at string) {
	checkFilter(c, at+"filter")
	c.OneOf(at+"comparison", "COMPARISON_GT", "COMPARISON_LT")
	checkMultiple(c, at+"duration", time.Minute, 0)
	checkAggregations(c, at+"aggregations")
	checkAggregations(c, at+"denominatorAggregations")
	c.OneOf(at+"evaluationMissingData", "EVALUATION_MISSING_DATA_INACTIVE", "EVALUATION_MISSING_DATA_ACTIVE", "EVALUATION_MISSING_DATA_NO_OP")
	if c.P.Has(at+"evaluationMissingData") && c.P.Text(at+"duration") == "0s" {
		c.Wrong(at+"evaluationMissingData", "Conditions setting evaluation_missing_data must have a non-zero duration.")
	}
	if c.P.Has(at+"trigger.count") && c.P.Has(at+"trigger.percent") {
		c.Wrong(at+"trigger", "count and percent cannot both be set")
	}
}

var (
	metricType   = regexp.MustCompile(`\bmetric\.type\s*=\s*"([^"]+)"`)
	resourceType = regexp.MustCompile(`\bresource\.type\s*=`)
)

// checkFilter checks that a filter names a metric and a monitored resource ("Monitoring filters").
func checkFilter(c *gcp.Checker, property string) {
	filter, given := c.P.Get(property).(string)
	if !given {
		return
	}
	c.Length(property, 2048)
	if !metricType.MatchString(filter) {
		c.Wrong(property, `%q must specify a restriction on "metric.type"`, filter)
	}
	if !resourceType.MatchString(filter) {
		c.Wrong(property, `%q must specify a restriction on "resource.type"`, filter)
	}
}

// aligners and reducers without their prefixes ("projects.alertPolicies": Aligner, Reducer).
var (
	aligners = strings.Fields(`NONE DELTA RATE INTERPOLATE NEXT_OLDER MIN MAX MEAN COUNT SUM STDDEV COUNT_TRUE COUNT_FALSE
		FRACTION_TRUE PERCENTILE_99 PERCENTILE_95 PERCENTILE_50 PERCENTILE_05 PERCENT_CHANGE`)
	reducers = strings.Fields(`NONE MEAN MIN MAX SUM STDDEV COUNT COUNT_TRUE COUNT_FALSE FRACTION_TRUE PERCENTILE_99
		PERCENTILE_95 PERCENTILE_50 PERCENTILE_05`)
)

// checkAggregations checks that series are aligned before they are reduced, over at least a minute
// ("projects.alertPolicies": Aggregation).
func checkAggregations(c *gcp.Checker, property string) {
	for i, a := range c.P.Objects(property) {
		at := fmt.Sprintf("%s[%d]", property, i)
		aligner, aligned := strings.CutPrefix(a.Text("perSeriesAligner"), "ALIGN_")
		reducer, reduced := strings.CutPrefix(a.Text("crossSeriesReducer"), "REDUCE_")
		if a.Text("perSeriesAligner") != "" && (!aligned || !slices.Contains(aligners, aligner)) {
			c.Wrong(at+".perSeriesAligner", "%q is not one of ALIGN_%s", a.Text("perSeriesAligner"), strings.Join(aligners, ", ALIGN_"))
		}
		if a.Text("crossSeriesReducer") != "" && (!reduced || !slices.Contains(reducers, reducer)) {
			c.Wrong(at+".crossSeriesReducer", "%q is not one of REDUCE_%s", a.Text("crossSeriesReducer"), strings.Join(reducers, ", REDUCE_"))
		}
		aligns := aligned && aligner != "NONE"
		if reduced && reducer != "NONE" && !aligns {
			c.Wrong(at+".crossSeriesReducer", "needs a perSeriesAligner other than ALIGN_NONE")
		}
		period := &gcp.Checker{P: a}
		d, given := seconds(period, "alignmentPeriod")
		for _, v := range period.Found {
			c.Wrong(at+"."+v.Property, "%s", v.Reason)
		}
		if given && d < time.Minute {
			c.Wrong(at+".alignmentPeriod", "%q must be at least 60s", a.Text("alignmentPeriod"))
		}
		if aligns && !a.Has("alignmentPeriod") {
			c.Wrong(at+".alignmentPeriod", "is required with a perSeriesAligner")
		}
	}
}
