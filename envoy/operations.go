package envoy

import (
	"net/http"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	healthcheckv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// adminClusterName contains underscores, so that no backend can have it.
const adminClusterName = "envoy_admin"

// readyListener answers readiness probes. It starts to listen with the other listeners:
// after the first round of DNS and health checks of all backends.
func readyListener(port uint32) *listenerv3.Listener {
	health := &healthcheckv3.HealthCheck{
		PassThroughMode: wrapperspb.Bool(false),
		Headers:         []*routev3.HeaderMatcher{headerIs(":path", ReadyPath)},
	}
	return operationsListener("ready", port,
		[]*hcmv3.HttpFilter{httpFilter("envoy.filters.http.health_check", health), routerFilter()},
		nil)
}

// metricsListener forwards one request to the admin interface, which can also
// stop the process: a path that is not listed here does not reach it.
func metricsListener(port uint32) *listenerv3.Listener {
	scrape := &routev3.Route{
		Name: "prometheus",
		Match: &routev3.RouteMatch{
			PathSpecifier: &routev3.RouteMatch_Path{Path: MetricsPath},
			Headers:       []*routev3.HeaderMatcher{headerIs(":method", http.MethodGet)},
		},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: adminClusterName},
			PrefixRewrite:    "/stats/prometheus",
		}},
	}
	return operationsListener("metrics", port,
		[]*hcmv3.HttpFilter{routerFilter()},
		[]*routev3.VirtualHost{{Name: "metrics", Domains: []string{"*"}, Routes: []*routev3.Route{scrape}}})
}

// operationsListener serves plain HTTP to probes and monitoring, also when memory is
// short: an Envoy that sheds load must not lose its pod, or the others get its calls
// on top of theirs.
func operationsListener(name string, port uint32, filters []*hcmv3.HttpFilter, hosts []*routev3.VirtualHost) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:                          name,
		Address:                       socketAddress(allAddresses, port),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionBuffer),
		BypassOverloadManager:         true,
		FilterChains: []*listenerv3.FilterChain{{
			Filters: []*listenerv3.Filter{networkFilter(&hcmv3.HttpConnectionManager{
				StatPrefix: name,
				RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
					Name:         name,
					VirtualHosts: hosts,
				}},
				HttpFilters:                filters,
				UseRemoteAddress:           wrapperspb.Bool(true),
				ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
				RequestHeadersTimeout:      durationpb.New(requestHeaderTimeout),
			})},
		}},
	}
}

func adminCluster(port uint32) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 adminClusterName,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       durationpb.New(connectTimeout),
		LoadAssignment:       endpoint(adminClusterName, loopback, port),
	}
}

func headerIs(name, value string) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name: name,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Exact{Exact: value},
		}},
	}
}
