package gcp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// conditionKinds lists the kinds of condition of an alert policy ("projects.alertPolicies",
// Cloud Monitoring API: Condition).
var conditionKinds = []string{
	"conditionThreshold", "conditionAbsent", "conditionPrometheusQueryLanguage",
	"conditionMatchedLog", "conditionMonitoringQueryLanguage", "conditionSql",
}

func conditionKindsOf(condition Properties) []string {
	return slices.DeleteFunc(slices.Clone(conditionKinds), func(kind string) bool { return !condition.has(kind) })
}

// checkCondition follows the descriptions of the kinds of condition in "projects.alertPolicies".
// It does not check logs, MQL and SQL.
func checkCondition(p Properties) []Violation {
	c := &checker{p: p}
	if given := conditionKindsOf(p); len(given) > 1 {
		c.wrong(given[1], "a condition is of one kind, and %s is given already", given[0])
	}
	if p.has("conditionPrometheusQueryLanguage") {
		c.promQLCondition("conditionPrometheusQueryLanguage.")
	}
	if p.has("conditionThreshold") {
		c.thresholdCondition("conditionThreshold.")
	}
	if p.has("conditionAbsent") {
		c.filter("conditionAbsent.filter")
		c.aggregations("conditionAbsent.aggregations")
		c.multiple("conditionAbsent.duration", time.Minute, 2*time.Minute)
	}
	return c.found
}

func (c *checker) promQLCondition(at string) {
	if query, given := c.p.get(at + "query").(string); given {
		if problem := promQLProblem(query); problem != "" {
			c.wrong(at+"query", "%s", problem)
		}
	}
	if d, ok := c.seconds(at + "duration"); ok && d < 0 {
		c.wrong(at+"duration", "%q must be zero or positive", c.p.str(at+"duration"))
	}
	c.multiple(at+"evaluationInterval", 30*time.Second, 30*time.Second)
	for key := range c.p.object(at + "labels") {
		if !model.LegacyValidation.IsValidLabelName(key) {
			c.wrong(at+"labels."+key, "%q is not a Prometheus label name", key)
		}
	}
	if rule := c.p.str(at + "alertRule"); rule != "" && !model.LegacyValidation.IsValidLabelName(rule) {
		c.wrong(at+"alertRule", "%q must be a valid Prometheus label name", rule)
	}
}

func (c *checker) thresholdCondition(at string) {
	c.filter(at + "filter")
	c.oneOf(at+"comparison", "COMPARISON_GT", "COMPARISON_LT")
	c.multiple(at+"duration", time.Minute, 0)
	c.aggregations(at + "aggregations")
	c.aggregations(at + "denominatorAggregations")
	c.oneOf(at+"evaluationMissingData", "EVALUATION_MISSING_DATA_INACTIVE", "EVALUATION_MISSING_DATA_ACTIVE", "EVALUATION_MISSING_DATA_NO_OP")
	if c.p.has(at+"evaluationMissingData") && c.p.str(at+"duration") == "0s" {
		c.wrong(at+"evaluationMissingData", "Conditions setting evaluation_missing_data must have a non-zero duration.")
	}
	if c.p.has(at+"trigger.count") && c.p.has(at+"trigger.percent") {
		c.wrong(at+"trigger", "count and percent cannot both be set")
	}
}

var (
	metricType   = regexp.MustCompile(`\bmetric\.type\s*=\s*"([^"]+)"`)
	resourceType = regexp.MustCompile(`\bresource\.type\s*=`)
)

// filter checks that a filter names a metric and a monitored resource ("Monitoring filters").
func (c *checker) filter(property string) {
	filter, given := c.p.get(property).(string)
	if !given {
		return
	}
	c.length(property, 2048)
	if !metricType.MatchString(filter) {
		c.wrong(property, `%q must specify a restriction on "metric.type"`, filter)
	}
	if !resourceType.MatchString(filter) {
		c.wrong(property, `%q must specify a restriction on "resource.type"`, filter)
	}
}

// aligners and reducers without their prefixes ("projects.alertPolicies": Aligner, Reducer).
var (
	aligners = strings.Fields(`NONE DELTA RATE INTERPOLATE NEXT_OLDER MIN MAX MEAN COUNT SUM STDDEV COUNT_TRUE COUNT_FALSE
		FRACTION_TRUE PERCENTILE_99 PERCENTILE_95 PERCENTILE_50 PERCENTILE_05 PERCENT_CHANGE`)
	reducers = strings.Fields(`NONE MEAN MIN MAX SUM STDDEV COUNT COUNT_TRUE COUNT_FALSE FRACTION_TRUE PERCENTILE_99
		PERCENTILE_95 PERCENTILE_50 PERCENTILE_05`)
)

// aggregations checks that series are aligned before they are reduced, over at least a minute
// ("projects.alertPolicies": Aggregation).
func (c *checker) aggregations(property string) {
	for i, a := range c.p.objects(property) {
		at := fmt.Sprintf("%s[%d]", property, i)
		aligner, aligned := strings.CutPrefix(a.str("perSeriesAligner"), "ALIGN_")
		reducer, reduced := strings.CutPrefix(a.str("crossSeriesReducer"), "REDUCE_")
		if a.str("perSeriesAligner") != "" && (!aligned || !slices.Contains(aligners, aligner)) {
			c.wrong(at+".perSeriesAligner", "%q is not one of ALIGN_%s", a.str("perSeriesAligner"), strings.Join(aligners, ", ALIGN_"))
		}
		if a.str("crossSeriesReducer") != "" && (!reduced || !slices.Contains(reducers, reducer)) {
			c.wrong(at+".crossSeriesReducer", "%q is not one of REDUCE_%s", a.str("crossSeriesReducer"), strings.Join(reducers, ", REDUCE_"))
		}
		aligns := aligned && aligner != "NONE"
		if reduced && reducer != "NONE" && !aligns {
			c.wrong(at+".crossSeriesReducer", "needs a perSeriesAligner other than ALIGN_NONE")
		}
		period := &checker{p: a}
		d, given := period.seconds("alignmentPeriod")
		for _, v := range period.found {
			c.wrong(at+"."+v.Property, "%s", v.Reason)
		}
		if given && d < time.Minute {
			c.wrong(at+".alignmentPeriod", "%q must be at least 60s", a.str("alignmentPeriod"))
		}
		if aligns && !a.has("alignmentPeriod") {
			c.wrong(at+".alignmentPeriod", "is required with a perSeriesAligner")
		}
	}
}
