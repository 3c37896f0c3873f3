package envoy

import (
	"regexp"
	"slices"

	matchingv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// serviceRoutes returns the routes of all gRPC services. Finding one takes as long with
// many services as with few.
func serviceRoutes(c Config) *routev3.RouteConfiguration {
	hosts := virtualHosts(c, func(authority string) *matchingv3.Matcher {
		first := when(needsTranslation(c), translation(c))
		first.OnNoMatch = orElse(methodTable(c, authority))
		return first
	})
	return &routev3.RouteConfiguration{
		Name: "services", VirtualHosts: hosts, IgnorePortInHostMatching: true,
		ValidateClusters: wrapperspb.Bool(false), // toNowhere leads to none
	}
}

// methodTable finds the route of a method by the whole path or, if there is none, the route of
// its service by the beginning of the path. In the list of a service, the routes of methods with
// a rule come first, since these also apply to a path with a query.
func methodTable(c Config, authority string) *matchingv3.Matcher {
	methods, services := map[string]*matchingv3.Matcher_OnMatch{}, map[string]*matchingv3.Matcher_OnMatch{}
	for _, backend := range c.Backends {
		for _, service := range backend.Services {
			var list []*routev3.Route
			withRules := c.methodsWithRules(service.FullName())
			for i := range service.Methods().Len() {
				method := service.Methods().Get(i)
				hasRule := slices.Contains(withRules, method.Name())
				if !repeatable(method) && !hasRule {
					continue
				}
				routes := methodRoutes(c, authority, backend, method)
				methods[pathOf(method)] = toRoutes(routes...)
				if hasRule {
					list = append(list, routes...)
				}
			}
			prefix := "/" + string(service.FullName()) + "/"
			services[prefix] = toRoutes(append(list, defaultRoutes(c, authority, backend, service)...)...)
		}
	}
	byService := beginsWith(header(":path"), services)
	if len(c.Origins) > 0 {
		// A page can read why a call failed by the headers of the virtual host, which only a
		// request with a route has.
		byService.OnNoMatch = toRoutes(toNowhere("unrouted"))
	}
	if len(methods) == 0 {
		return byService
	}
	table := equals(header(":path"), methods)
	table.OnNoMatch = orElse(byService)
	return table
}

// pathOf returns the path of a method in gRPC.
func pathOf(method protoreflect.MethodDescriptor) string {
	return "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
}

// methodRoutes returns the routes of a method that has a rule, or may be retried. Its calls are not
// treated like calls to the rest of its service.
func methodRoutes(c Config, authority string, backend Backend, method protoreflect.MethodDescriptor) []*routev3.Route {
	path := pathOf(method)
	route := &routev3.Route{
		Name:  path[1:],
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}},
	}
	rule, served := c.ruleFor(authority, method.Parent().FullName(), method.Name())
	return ruledRoutes(c, backend, route, retryPolicy(method), rule, served)
}

// methodName matches what a proto may call a method. It does not match another
// spelling of the path, such as one with %6f for o: a backend that reads that as the method
// would be called without the method's rule.
const methodName = "[A-Za-z_][A-Za-z0-9_]*"

// defaultRoutes returns the routes for the methods of a service that have none of their own,
// and for those that only its pods know.
func defaultRoutes(c Config, authority string, backend Backend, service protoreflect.ServiceDescriptor) []*routev3.Route {
	name := string(service.FullName())
	route := &routev3.Route{
		Name: name,
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{
			Regex: "/" + regexp.QuoteMeta(name) + "/" + methodName,
		}}},
	}
	rule, served := c.ruleFor(authority, service.FullName(), "")
	return ruledRoutes(c, backend, route, retryUnsent(), rule, served)
}

// ruledRoutes completes a route, with the rule for its calls if they are served.
func ruledRoutes(c Config, backend Backend, route *routev3.Route, retry *routev3.RetryPolicy, rule Rule, served bool) []*routev3.Route {
	if !served {
		return misdirected(route.Match, "this :authority does not serve this method")
	}
	action := forward(c)
	action.RetryPolicy = retry
	rule.apply(route)
	return releases(backend, route, action)
}

// forward lets a call last as long as its caller wants. There is no timeout for the
// whole call (Envoy's default of 15 seconds cuts streams, envoy issue 17697) nor for
// idle streams. The deadline is that of the grpc-timeout header, up to MaxDeadline; the
// backend gets the result, in milliseconds. With max_stream_duration set, Envoy ignores
// the timeout field (envoy issue 15530), and the deadline covers the call with all its
// retries.
func forward(c Config) *routev3.RouteAction {
	zero := durationpb.New(0)
	return &routev3.RouteAction{
		Timeout:     zero,
		IdleTimeout: zero,
		MaxStreamDuration: &routev3.RouteAction_MaxStreamDuration{
			MaxStreamDuration:       zero,
			GrpcTimeoutHeaderMax:    durationpb.New(c.MaxDeadline),
			GrpcTimeoutHeaderOffset: durationpb.New(deadlineOffset),
		},
	}
}

// toCluster returns a copy of the route that sends all its calls to one cluster.
func toCluster(route *routev3.Route, action *routev3.RouteAction, cluster string) *routev3.Route {
	route, action = proto.CloneOf(route), proto.CloneOf(action)
	action.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: cluster}
	route.Action = &routev3.Route_Route{Route: action}
	return route
}

// unroutedReply returns the answer to calls of unknown services. If the request is gRPC,
// Envoy itself turns the 404 of an unknown path into the gRPC status UNIMPLEMENTED, with
// this text as its message.
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
