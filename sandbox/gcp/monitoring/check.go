package monitoring

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
)

var (
	userLabelKey   = regexp.MustCompile(`^[a-z][-_a-z0-9]{0,62}$`)
	userLabelValue = regexp.MustCompile(`^[-_a-z0-9]{0,63}$`)
)

// checkUserLabels checks that Cloud Monitoring accepts a resource's userLabels
// ("projects.alertPolicies": userLabels).
func checkUserLabels(c *gcp.Checker) {
	labels := c.P.Object("userLabels")
	if len(labels) > 64 {
		c.Wrong("userLabels", "%d labels are more than 64", len(labels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !userLabelKey.MatchString(key) {
			c.Wrong("userLabels."+key, "the key must be a lowercase letter, then at most 62 lowercase letters, digits, underscores and dashes")
		}
		if value := labels.Text(key); !userLabelValue.MatchString(value) {
			c.Wrong("userLabels."+key, "%q must be at most 63 lowercase letters, digits, underscores and dashes", value)
		}
	}
}

// seconds returns a duration in JSON: seconds with the suffix s, such as "60s" or "1.5s"
// ("Well-known types", Protocol Buffers: Duration). ok is false if the property is missing, or
// no duration, which is a violation.
func seconds(c *gcp.Checker, property string) (d time.Duration, ok bool) {
	text := c.P.Text(property)
	if text == "" {
		return 0, false
	}
	number, suffixed := strings.CutSuffix(text, "s")
	value, err := strconv.ParseFloat(number, 64)
	if !suffixed || err != nil {
		c.Wrong(property, `%q is not a duration in seconds, such as "60s"`, text)
		return 0, false
	}
	return time.Duration(value * float64(time.Second)), true
}

// checkMultiple checks that a duration, if present, is a multiple of a unit and not below a minimum.
func checkMultiple(c *gcp.Checker, property string, unit, least time.Duration) {
	if d, ok := seconds(c, property); ok && (d%unit != 0 || d < least) {
		c.Wrong(property, "%q must be a multiple of %gs, at least %gs", c.P.Text(property), unit.Seconds(), least.Seconds())
	}
}

// missingMetric returns Cloud Monitoring's answer to a condition on a metric that nobody has
// written yet.
func missingMetric(name string) error {
	return &gcp.Error{Code: 404, Reason: "notFound", Message: "Cannot find metric(s) that match type = \"" + name + "\". If a metric was " +
		"created recently, it could take up to 10 minutes to become available. Please try again soon."}
}
