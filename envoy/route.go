package envoy

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// serviceRoutes has one route for each gRPC service, in the order of the
// backends. No prefix is the prefix of another, since all end in a slash.
//
// A request is matched by its path alone and not by its content type, which
// filters for gRPC-Web or REST change only after the route is known.
func serviceRoutes(c Config) *routev3.RouteConfiguration {
	var routes []*routev3.Route
	for _, backend := range c.Backends {
		for _, service := range backend.Services {
			for _, method := range c.methodsWithRules(service.FullName()) {
				routes = append(routes, &routev3.Route{
					Name: string(service.FullName()) + "/" + string(method),
					Match: &routev3.RouteMatch{
						PathSpecifier: &routev3.RouteMatch_Path{Path: "/" + string(service.FullName()) + "/" + string(method)},
					},
					Action:               &routev3.Route_Route{Route: toCluster(backend.Name)},
					TypedPerFilterConfig: c.overrides(service.FullName(), method),
				})
			}
			routes = append(routes, &routev3.Route{
				Name: string(service.FullName()),
				Match: &routev3.RouteMatch{
					PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/" + string(service.FullName()) + "/"},
				},
				Action:               &routev3.Route_Route{Route: toCluster(backend.Name)},
				TypedPerFilterConfig: c.overrides(service.FullName(), ""),
			})
		}
	}
	return &routev3.RouteConfiguration{
		Name:                     "services",
		VirtualHosts:             virtualHosts(c, routes),
		IgnorePortInHostMatching: true,
	}
}

// toCluster lets a call last as long as its caller wants: no timeout of ours on
// the whole of it (Envoy's default of 15 seconds cuts streams, envoy issue
// 17697) nor on its silences, but the deadline in the grpc-timeout header,
// as it is, where there is one.
func toCluster(name string) *routev3.RouteAction {
	zero := durationpb.New(0)
	return &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: name},
		Timeout:          zero,
		IdleTimeout:      zero,
		MaxStreamDuration: &routev3.RouteAction_MaxStreamDuration{
			MaxStreamDuration:    zero,
			GrpcTimeoutHeaderMax: zero,
		},
		RetryPolicy: retryUnsent(),
	}
}

// retryUnsent tries another pod when the first cannot have begun the call: it
// took no connection, or refused the stream (RFC 9113, section 8.7). Anything
// else may have had an effect, and is the caller's to repeat.
func retryUnsent() *routev3.RetryPolicy {
	return &routev3.RetryPolicy{
		RetryOn:    "connect-failure,refused-stream",
		NumRetries: wrapperspb.UInt32(2),
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name: "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
				TypedConfig: typed(&previoushostsv3.PreviousHostsPredicate{}),
			},
		}},
		// Balancing may pick the pod just tried; this often it picks again.
		HostSelectionRetryMaxAttempts: 5,
	}
}

// unroutedReply gives a reason to who calls a service that is not here. Envoy
// makes the 404 of an unknown path a gRPC status of UNIMPLEMENTED by itself if
// the request is gRPC, with this text as its message.
func unroutedReply() *hcmv3.LocalReplyConfig {
	return &hcmv3.LocalReplyConfig{Mappers: []*hcmv3.ResponseMapper{{
		Filter: &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
			ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: []string{"NR"}},
		}},
		Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{
			InlineString: "no gRPC service has this path",
		}},
	}}}
}
