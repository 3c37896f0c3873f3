package gcp

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	userLabelKey   = regexp.MustCompile(`^[a-z][-_a-z0-9]{0,62}$`)
	userLabelValue = regexp.MustCompile(`^[-_a-z0-9]{0,63}$`)
)

// userLabels checks that Cloud Monitoring accepts a resource's userLabels
// ("projects.alertPolicies": userLabels).
func (c *checker) userLabels() {
	labels := c.p.object("userLabels")
	if len(labels) > 64 {
		c.wrong("userLabels", "%d labels are more than 64", len(labels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !userLabelKey.MatchString(key) {
			c.wrong("userLabels."+key, "the key must be a lowercase letter, then at most 62 lowercase letters, digits, underscores and dashes")
		}
		if value := labels.str(key); !userLabelValue.MatchString(value) {
			c.wrong("userLabels."+key, "%q must be at most 63 lowercase letters, digits, underscores and dashes", value)
		}
	}
}

// seconds returns a duration in JSON: seconds with the suffix s, such as "60s" or "1.5s"
// ("Well-known types", Protocol Buffers: Duration). ok is false if the property is missing, or
// no duration, which is a violation.
func (c *checker) seconds(property string) (d time.Duration, ok bool) {
	text := c.p.str(property)
	if text == "" {
		return 0, false
	}
	number, suffixed := strings.CutSuffix(text, "s")
	value, err := strconv.ParseFloat(number, 64)
	if !suffixed || err != nil {
		c.wrong(property, `%q is not a duration in seconds, such as "60s"`, text)
		return 0, false
	}
	return time.Duration(value * float64(time.Second)), true
}

// multiple checks that a duration, if present, is a multiple of a unit and not below a minimum.
func (c *checker) multiple(property string, unit, least time.Duration) {
	if d, ok := c.seconds(property); ok && (d%unit != 0 || d < least) {
		c.wrong(property, "%q must be a multiple of %gs, at least %gs", c.p.str(property), unit.Seconds(), least.Seconds())
	}
}

// missingMetric returns Cloud Monitoring's answer to a condition on a metric that nobody has
// written yet.
func missingMetric(name string) error {
	return &Error{Code: 404, Reason: "notFound", Message: "Cannot find metric(s) that match type = \"" + name + "\". If a metric was " +
		"created recently, it could take up to 10 minutes to become available. Please try again soon."}
}
