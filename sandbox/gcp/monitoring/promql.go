package monitoring

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// promQLProblem returns what is wrong with a query, or "".
func promQLProblem(query string) string {
	if _, err := parser.ParseExpr(query); err != nil {
		return "invalid PromQL query: " + err.Error()
	}
	return ""
}

// promQLMetrics returns the names of the metrics a valid query reads. Selectors
// that match several names are left out.
func promQLMetrics(query string) []string {
	expr, err := parser.ParseExpr(query)
	if err != nil {
		return nil
	}
	var names []string
	for _, selectors := range parser.ExtractSelectors(expr) {
		for _, m := range selectors {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual && !slices.Contains(names, m.Value) {
				names = append(names, m.Value)
			}
		}
	}
	return names
}

// systemMetric reports whether Google's own services write a metric, by its PromQL name:
// compute_googleapis_com:instance_cpu_utilization, or in full
// compute.googleapis.com/instance/cpu/utilization ("PromQL for Cloud Monitoring": mapping of
// metric names). Metrics that a project's workloads write, through managed collection or by
// themselves, are not system metrics.
func systemMetric(name string) bool {
	domain, _, found := strings.Cut(strings.Replace(name, "/", ":", 1), ":")
	domain = strings.ReplaceAll(domain, "_", ".")
	return found && (strings.HasSuffix(domain, ".googleapis.com") || domain == "kubernetes.io" || domain == "istio.io") &&
		!slices.Contains(workloadDomains, domain)
}

// workloadDomains lists the prefixes of metrics that exist only after somebody has written them
// ("Metrics list": user-defined and external metrics).
var workloadDomains = []string{
	"prometheus.googleapis.com", "custom.googleapis.com", "workload.googleapis.com", "external.googleapis.com",
}
