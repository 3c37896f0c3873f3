package envoy

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	grpcstatsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_stats/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// statsFilter counts calls by service, method and gRPC status. Native gRPC is counted before
// clients are refused, and other calls once they are translated. In Prometheus:
//
//	envoy_cluster_grpc                         calls, one series for each envoy_grpc_status, a number
//	envoy_cluster_grpc_total, _success, _failure
//	envoy_cluster_grpc_request_message_count, _response_message_count
//	envoy_cluster_grpc_upstream_rq_time        histogram in milliseconds, of what reached a pod
//
// with the labels envoy_cluster_name, which is the name of the backend,
// envoy_grpc_bridge_service and envoy_grpc_bridge_method. A method that the
// service does not declare is counted without the last two: made-up names
// create no series.
func statsFilter(c Config, name string) *hcmv3.HttpFilter {
	return httpFilter(name, &grpcstatsv3.FilterConfig{
		PerMethodStatSpecifier: &grpcstatsv3.FilterConfig_IndividualMethodStatsAllowlist{
			IndividualMethodStatsAllowlist: declaredMethods(c.Backends),
		},
		EnableUpstreamStats: true,
	})
}

func declaredMethods(backends []Backend) *corev3.GrpcMethodList {
	list := &corev3.GrpcMethodList{}
	for _, backend := range backends {
		for _, service := range backend.Services {
			entry := &corev3.GrpcMethodList_Service{Name: string(service.FullName())}
			for i := range service.Methods().Len() {
				entry.MethodNames = append(entry.MethodNames, string(service.Methods().Get(i).Name()))
			}
			if len(entry.MethodNames) > 0 { // Envoy refuses an entry without
				list.Services = append(list.Services, entry)
			}
		}
	}
	return list
}

// statsConfig returns the rules that turn statistics into metrics.
//
// A counter of grpc_stats is named cluster.<name>.grpc.<service>.<method>.<status>.
// Envoy's own rule takes a service to have no dot in its name, and leaves the
// status in the name of the metric.
func statsConfig() *metricsv3.StatsConfig {
	return &metricsv3.StatsConfig{
		StatsTags: []*metricsv3.TagSpecifier{
			statsTag("envoy.grpc_bridge_service", `^cluster\.[^.]+\.grpc(\.(.+))\.[^.]+\.[^.]+$`),
			statsTag("envoy.grpc_bridge_method", `^cluster\.[^.]+\.grpc\..+(\.([^.]+))\.[^.]+$`),
			statsTag("envoy.grpc_status", `^cluster\.[^.]+\.grpc(?:\..+)?(\.(\d+))$`),
		},
		AllowDefaultTagOverrides: wrapperspb.Bool(true),
		StatsMatcher: &metricsv3.StatsMatcher{StatsMatcher: &metricsv3.StatsMatcher_ExclusionList{
			ExclusionList: &matcherv3.ListStringMatcher{Patterns: unwantedStats()},
		}},
		HistogramBucketSettings: []*metricsv3.HistogramBucketSettings{{
			Match:   &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: "upstream_rq_time"}},
			Buckets: []float64{1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000},
		}},
	}
}

// statsTag makes a label of the second group of the pattern, and takes the first
// out of the name.
func statsTag(name, pattern string) *metricsv3.TagSpecifier {
	return &metricsv3.TagSpecifier{TagName: name, TagValue: &metricsv3.TagSpecifier_Regex{Regex: pattern}}
}

// unwantedStats lists statistics that Envoy does not create. grpc_stats counts the same
// as grpc_web, which takes the names of methods from clients and keeps each forever.
// The others are histograms of twenty series each that nobody reads.
func unwantedStats() []*matcherv3.StringMatcher {
	patterns := []*matcherv3.StringMatcher{{MatchPattern: &matcherv3.StringMatcher_Contains{Contains: ".grpc-web."}}}
	for _, suffix := range []string{
		"http2.cookie_count", "http2.cookie_size", "http2.header_count", "http2.header_list_size",
		"connections_accepted_per_socket_event",
	} {
		patterns = append(patterns, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: suffix}})
	}
	return patterns
}
