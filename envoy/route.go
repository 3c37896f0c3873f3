package envoy

import (
	"slices"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// serviceRoutes returns the routes of all gRPC services, in the order of the
// backends. No prefix is the prefix of another, since all end in a slash.
//
// A request is matched by its path alone and not by its content type, which
// filters for gRPC-Web or REST change only after the route is known.
func serviceRoutes(c Config) *routev3.RouteConfiguration {
	hosts := virtualHosts(c, func(authority string) []*routev3.Route {
		var routes []*routev3.Route
		for _, backend := range c.Backends {
			for _, service := range backend.Services {
				routes = append(routes, routesOf(c, authority, backend, service)...)
			}
		}
		return routes
	})
	return &routev3.RouteConfiguration{Name: "services", VirtualHosts: hosts, IgnorePortInHostMatching: true}
}

// routesOf returns one route for the whole service, and before it one for each
// method whose calls are treated differently: they have a rule, or may be
// repeated.
func routesOf(c Config, authority string, backend Backend, service protoreflect.ServiceDescriptor) []*routev3.Route {
	var routes []*routev3.Route
	add := func(method protoreflect.Name, route *routev3.Route, retry *routev3.RetryPolicy) {
		rule, served := c.ruleFor(authority, service.FullName(), method)
		if !served {
			routes = append(routes, misdirected(route.Match, "this :authority does not serve this method")...)
			return
		}
		route.TypedPerFilterConfig = rule.overrides()
		action := forward(c)
		action.RetryPolicy = retry
		routes = append(routes, releases(backend, route, action)...)
	}
	withRules, methods := c.methodsWithRules(service.FullName()), service.Methods()
	for i := range methods.Len() {
		method := methods.Get(i)
		if !repeatable(method) && !slices.Contains(withRules, method.Name()) {
			continue
		}
		name := string(service.FullName()) + "/" + string(method.Name())
		add(method.Name(), &routev3.Route{
			Name:  name,
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: "/" + name}},
		}, retryPolicy(method))
	}
	name := string(service.FullName())
	add("", &routev3.Route{
		Name:  name,
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/" + name + "/"}},
	}, retryUnsent())
	return routes
}

// forward lets a call last as long as its caller wants: no timeout of ours on
// the whole of it (Envoy's default of 15 seconds cuts streams, envoy issue
// 17697) nor on its silences, but the deadline in the grpc-timeout header,
// up to MaxDeadline, where there is one; the backend is told what Envoy made of
// it, in milliseconds. With max_stream_duration set, Envoy takes no notice of the
// timeout field (envoy issue 15530), and the deadline is for the call with all its
// retries.
func forward(c Config) *routev3.RouteAction {
	zero := durationpb.New(0)
	return &routev3.RouteAction{
		Timeout:     zero,
		IdleTimeout: zero,
		MaxStreamDuration: &routev3.RouteAction_MaxStreamDuration{
			MaxStreamDuration:    zero,
			GrpcTimeoutHeaderMax: durationpb.New(c.MaxDeadline),
		},
	}
}

// toCluster is the route with all its calls going to one cluster.
func toCluster(route *routev3.Route, action *routev3.RouteAction, cluster string) *routev3.Route {
	route, action = proto.CloneOf(route), proto.CloneOf(action)
	action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: cluster}
	route.Action = &routev3.Route_Route{Route: action}
	return route
}

// unroutedReply gives a reason to who calls a service that is not here. Envoy
// makes the 404 of an unknown path a gRPC status of UNIMPLEMENTED by itself if
// the request is gRPC, with this text as its message.
func unroutedReply() *hcmv3.LocalReplyConfig {
	return &hcmv3.LocalReplyConfig{Mappers: []*hcmv3.ResponseMapper{{
		Filter: &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
			ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: []string{"NR", "NC"}},
		}},
		Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{
			InlineString: "no gRPC service has this path",
		}},
	}}}
}
