package monitoring

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"example.com/grpc-edge/envoy"
)

// selector returns the selector for the Envoy pods of one stack, by the labels that Managed
// Service for Prometheus adds to the metrics that it scrapes.
func selector(cluster, namespace string) string {
	return fmt.Sprintf("cluster=%q,namespace=%q", cluster, namespace)
}

// serviceLabel and methodLabel are the labels of the metrics with which package envoy
// counts calls. statusLabel holds the number of a gRPC status.
const (
	serviceLabel = "envoy_grpc_bridge_service"
	methodLabel  = "envoy_grpc_bridge_method"
	statusLabel  = "envoy_grpc_status"
)

// serverFaults lists the statuses that the caller did not cause: UNKNOWN,
// DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS (gRPC, doc/statuscodes.md).
// UNIMPLEMENTED and RESOURCE_EXHAUSTED are not among them: callers cause them, by what they
// call or by calling too much.
const serverFaults = "2|4|13|14|15"

// overview returns the charts of all services together.
func overview() []chart {
	return []chart{
		{"Calls by service", "1/s", func(s string) string {
			return fmt.Sprintf("sum by (%s) (rate(envoy_cluster_grpc{%s,%s!=\"\"}[5m]))", serviceLabel, s, serviceLabel)
		}},
		{"Failed calls by service", "%", func(s string) string { return "100 * " + errorRatio(s) }},
		{"p99 by service", "ms", func(s string) string { return quantile(0.99, s, serviceLabel) }},
		{"Healthy pods by service", "", func(s string) string {
			return fmt.Sprintf("min by (envoy_cluster_name) (envoy_cluster_membership_healthy{%s})", s)
		}},
		{"Connections that pods closed with calls on them", "1/s", func(s string) string {
			return fmt.Sprintf("sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_cx_destroy_remote_with_active_rq{%s}[5m]))", s)
		}},
		{"Connections of clients", "", func(s string) string { return "sum by (pod) (" + connections(s) + ")" }},
		{"Connections refused at a limit or under overload", "1/s", func(s string) string {
			return fmt.Sprintf("sum by (pod) (rate(envoy_listener_downstream_cx_overflow{%[1]s}[5m]) + rate(envoy_listener_downstream_cx_overload_reject{%[1]s}[5m]))", s)
		}},
		{"Memory of Envoy", "By", func(s string) string { return fmt.Sprintf("max by (pod) (envoy_server_memory_physical_size{%s})", s) }},
		{"Days until the certificate expires", "d", func(s string) string {
			return fmt.Sprintf("min(envoy_server_days_until_first_cert_expiring{%s})", s)
		}},
	}
}

func callsByMethod(services string) func(string) string {
	return func(s string) string {
		return fmt.Sprintf("sum by (%s, %s) (rate(envoy_cluster_grpc{%s,%s=~\"%s\"}[5m]))", methodLabel, statusLabel, s, serviceLabel, services)
	}
}

func latencyByMethod(services string) func(string) string {
	return func(s string) string {
		return quantile(0.99, fmt.Sprintf("%s,%s=~\"%s\"", s, serviceLabel, services), methodLabel)
	}
}

func errorRatio(s string) string {
	return fmt.Sprintf(`sum by (%[1]s) (rate(envoy_cluster_grpc{%[2]s,%[1]s!="",%[3]s=~"%[4]s"}[5m])) / sum by (%[1]s) (rate(envoy_cluster_grpc{%[2]s,%[1]s!=""}[5m]))`,
		serviceLabel, s, statusLabel, serverFaults)
}

// quantile returns the query of a quantile of the duration of calls, in milliseconds. It
// excludes the series in without, each given as the labels that select them.
func quantile(q float64, s, by string, without ...string) string {
	const buckets = "rate(envoy_cluster_grpc_upstream_rq_time_bucket{%s}[5m])"
	counted := fmt.Sprintf(buckets, s)
	for _, more := range without {
		counted += " unless " + fmt.Sprintf(buckets, s+","+more)
	}
	return fmt.Sprintf(`histogram_quantile(%v, sum by (le, %s) (%s))`, q, by, counted)
}

// connections returns the query of the connections of clients. In the name of the listener,
// the address is 0.0.0.0, or with DualStack [__].
func connections(s string) string {
	return fmt.Sprintf(`envoy_listener_downstream_cx_active{%s,envoy_listener_address=~".+_%d"}`, s, envoy.HTTPSPort)
}

// capacityShare is the share of an Envoy pod's connection limit above which an alert fires.
const capacityShare = 0.8

// expiryDays is the number of days before expiry at which the alert fires: enough to renew
// a certificate without haste. Any `pulumi up` renews a self-signed one earlier than that.
const expiryDays = 14

// brokenConnections is the share of a service's connections that pods must close in ten minutes, with calls
// on them. A rollout that cuts streams closes each once.
const brokenConnections = 1.5

// unreadLog is a second of Envoy's log in bytes, at some 30,000 calls a second (docs/benchmark.md).
const unreadLog = 16 << 20

func alerts(args *Args) []alert {
	least := int64(math.Ceil(capacityShare * float64(args.Config.MaxConnections)))
	return []alert{
		{"errors", "calls fail", "CRITICAL",
			func(s string) string {
				return fmt.Sprintf("100 * %s > %d", errorRatio(s), args.Thresholds.ErrorPercent)
			},
			"More than the configured share of a service's calls (`alertErrorPercent`) failed for five minutes, for reasons that callers did not cause.\n\n" +
				"Look at the service's chart of statuses and at Envoy's access log (`grpc_status`, `response_details`), then at the logs of the service's pods. " +
				"If it began with a rollout, revert the rollout."},
		{"latency", "calls are slow", "WARNING",
			func(s string) string {
				return fmt.Sprintf("%s > %d", quantile(0.99, s, serviceLabel, streaming(args.Config)...), args.Thresholds.P99Milliseconds)
			},
			"One call in a hundred of a service took longer than `alertP99Milliseconds` for five minutes.\n\n" +
				"Compare methods on the dashboard, look for throttled or few pods, and raise `serviceReplicas` if all are busy."},
		{"no-backend", "a service has no healthy pod", "CRITICAL",
			func(s string) string {
				return fmt.Sprintf("max by (envoy_cluster_name) (envoy_cluster_membership_healthy{%s,envoy_cluster_name=~\"%s\"}) == 0", s, clusters(args.Config))
			},
			"No Envoy finds a healthy pod of a service: its calls go to pods that fail their health checks, or fail with UNAVAILABLE if there are none.\n\n" +
				"`kubectl -n grpc-edge get pods` shows whether pods run; if they do, their health checks fail, or a NetworkPolicy is in the way."},
		{"broken-off", "calls break off", "WARNING",
			func(s string) string {
				return fmt.Sprintf("sum by (envoy_cluster_name) (increase(envoy_cluster_upstream_cx_destroy_remote_with_active_rq{%[1]s}[10m])) > %[2]v * sum by (envoy_cluster_name) (max_over_time(envoy_cluster_upstream_cx_active{%[1]s}[10m]))",
					s+fmt.Sprintf(",envoy_cluster_name=~\"(%s)(-canary)?\"", clusters(args.Config)), brokenConnections)
			},
			fmt.Sprintf("In ten minutes, pods of a service closed %v times as many connections as there are, with calls on them: as when each pod crashes again and again. Calls that end so after their first headers have no status, and are in no other alert.\n\n"+
				"`kubectl -n grpc-edge get pods` shows pods that restart; their previous log says why: `kubectl -n grpc-edge logs --previous POD`.", brokenConnections)},
		{"log", "the access log is not read", "WARNING",
			func(s string) string {
				return fmt.Sprintf("max by (pod) (envoy_filesystem_write_total_buffered{%s}) > %d", s, unreadLog)
			},
			fmt.Sprintf("An Envoy pod holds more than %d MiB of its log, because its node does not take it. Envoy has no limit for that: its memory grows with each call until it refuses calls.\n\n"+
				"Look at the node's disk, and drain the node.", unreadLog>>20)},
		{"certificate", "the certificate expires soon", "WARNING",
			func(s string) string {
				return fmt.Sprintf("min(envoy_server_days_until_first_cert_expiring{%s}) < %d", s, expiryDays)
			},
			fmt.Sprintf("The certificate at the edge expires in less than %d days.\n\nRun `pulumi up`, which renews a self-signed one. For a provided one, set the new `certificatePem` and `certificateKeyPem` first. No pod restarts.", expiryDays)},
		{"capacity", "the edge is nearly full", "WARNING",
			func(s string) string { return fmt.Sprintf("max by (pod) (%s) > %d", connections(s), least) },
			fmt.Sprintf("An Envoy pod behind the load balancer holds more than %d of the %d connections that it takes; further ones are closed.\n\n"+
				"Raise `envoyReplicas`: each Envoy adds to the connections that the load balancer can hold. Look for one client that opens many.", least, args.Config.MaxConnections)},
	}
}

// clusters returns a pattern that matches the names of all backends and no others.
func clusters(c envoy.Config) string {
	var names []string
	for _, b := range c.Backends {
		names = append(names, b.Name)
	}
	return strings.Join(names, "|")
}

// streaming returns selectors of the methods whose calls last as long as the caller wants.
// It has one entry for all services whose streaming methods have the same names.
func streaming(c envoy.Config) []string {
	services := map[string][]string{} // by the names of their streaming methods
	for _, b := range c.Backends {
		for _, s := range b.Services {
			var names []string
			for i := range s.Methods().Len() {
				if m := s.Methods().Get(i); m.IsStreamingClient() || m.IsStreamingServer() {
					names = append(names, string(m.Name()))
				}
			}
			if len(names) > 0 {
				slices.Sort(names)
				key := strings.Join(names, "|")
				services[key] = append(services[key], regexp.QuoteMeta(string(s.FullName())))
			}
		}
	}
	var selectors []string
	for _, names := range slices.Sorted(maps.Keys(services)) {
		slices.Sort(services[names])
		// A backslash of the pattern is written twice within PromQL's quotes.
		pattern := strings.ReplaceAll(strings.Join(slices.Compact(services[names]), "|"), `\`, `\\`)
		selectors = append(selectors, fmt.Sprintf(`%s=~"%s",%s=~"%s"`, serviceLabel, pattern, methodLabel, names))
	}
	return selectors
}
