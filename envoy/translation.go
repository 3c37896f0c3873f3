package envoy

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	matchingv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	statev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	bufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/buffer/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"example.com/grpc-edge/envoy/rest"
)

// A call by native gRPC, which most calls are, passes only the filters that it needs. Envoy
// builds the chain of filters by the first route of a request
// (envoy.config.route.v3.FilterConfig). Filters for pages and REST, and those that only some
// routes have settings for, are therefore off in the chain, and are switched on
//
//   - by the route of a method that has a setting for them, and
//   - all together by the routes for all other requests. Such a request is translated
//     to gRPC first. The filter translated then notes that, and has Envoy look for the
//     route of the method, whose settings hold from there on.

// translatedName names the filter that ends the translation, and translatedKey what it notes.
const (
	translatedName = "translated"
	translatedKey  = "edge.translated"
)

// grpcTypes matches the content types of gRPC and gRPC-Web that Envoy and its filters take for
// such (gRPC's doc/PROTOCOL-HTTP2.md and doc/PROTOCOL-WEB.md).
const grpcTypes = `application/grpc(\+.*|\s*;.*)?|application/grpc-web(-text)?(\+proto)?`

// almostGRPC refuses other content types that begin like those. The transcoder would take them
// for REST, past the refusals and limits of REST.
func almostGRPC() refusal {
	contentType := header("content-type")
	return refusal{
		and(is(contentType, startingWith("application/grpc")), fails(is(contentType, matching(grpcTypes)))),
		http.StatusUnsupportedMediaType, "the content-type must be application/grpc, application/grpc-web+proto, application/grpc-web-text or application/json", "",
	}
}

// needsTranslation matches requests that are not native gRPC and not translated yet. It
// includes a page that sends native gRPC, since the answer needs the headers of CORS.
func needsTranslation(c Config) *predicate {
	contentType := header("content-type")
	foreign := fails(or(
		is(contentType, exactly("application/grpc")),
		is(contentType, startingWith("application/grpc+")), // gRPC's doc/PROTOCOL-HTTP2.md, "Content-Type"
	))
	if len(c.Origins) > 0 {
		foreign = or(foreign, is(header("origin"), startingWith("http"))) // as all of c.Origins do
	}
	return and(foreign, fails(is(filterState(translatedKey), exactly("yes"))))
}

// translatedFilter comes after the filters that translate.
func translatedFilter() *hcmv3.HttpFilter {
	return off(httpFilter(translatedName, &setstatev3.Config{
		OnRequestHeaders: []*statev3.FilterStateValue{{
			Key:        &statev3.FilterStateValue_ObjectKey{ObjectKey: translatedKey},
			FactoryKey: "envoy.string",
			Value: &statev3.FilterStateValue_FormatString{FormatString: &corev3.SubstitutionFormatString{
				Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
					Specifier: &corev3.DataSource_InlineString{InlineString: "yes"},
				}},
			}},
		}},
		ClearRouteCache: true,
	}))
}

// translation answers requests that are refused, and sends the others to the first routes.
func translation(c Config) *matchingv3.Matcher_OnMatch {
	first, paths := refuse(c, []refusal{almostGRPC()}), pathsOf(c)
	if len(restServices(c)) > 0 {
		isREST := fails(is(header("content-type"), startingWith("application/grpc")))
		list := first.GetMatcherList()
		list.Matchers = append(list.Matchers, when(isREST, orElse(refuse(c, restRefusals(paths)))).GetMatcherList().Matchers...)
		if byPath := refuseByPath(c, paths); byPath != nil {
			list.Matchers = append(list.Matchers, when(and(isREST, fails(preflight())), byPath).GetMatcherList().Matchers...)
		}
	}
	first.OnNoMatch = toRoutes(translationRoutes(c, paths)...)
	return orElse(first)
}

// translationRoutes returns the first routes of requests that are not native gRPC. They
// lead nowhere: a request that the filters cannot translate gets 404.
func translationRoutes(c Config, paths restPaths) []*routev3.Route {
	web := toNowhere("web")
	web.TypedPerFilterConfig = translationFilters(c)
	if len(restServices(c)) == 0 {
		return []*routev3.Route{web}
	}
	rest := toNowhere("rest", contentTypeIsNotGRPC())
	rest.TypedPerFilterConfig = translationFilters(c)
	// Bounds the body: the transcoder bounds only pieces of it, and would buffer without end
	// what makes no whole piece, such as one long string.
	rest.TypedPerFilterConfig[bufferFilter] = typed(&bufferv3.BufferPerRoute{Override: &bufferv3.BufferPerRoute_Buffer{
		Buffer: jsonBuffer(),
	}})
	return slices.Concat(headRoutes(paths, rest), fileRoutes(paths, rest), []*routev3.Route{rest, web})
}

// headRoutes returns the route for paths whose method is bound to HEAD itself. Its setting
// keeps answers.lua from calling the path with GET.
func headRoutes(paths restPaths, all *routev3.Route) []*routev3.Route {
	var patterns []string
	for _, path := range paths.all {
		if slices.ContainsFunc(path.bindings, func(b rest.Binding) bool { return b.Verb == http.MethodHead }) {
			patterns = append(patterns, path.pattern)
		}
	}
	if len(patterns) == 0 {
		return nil
	}
	head := proto.CloneOf(all)
	head.Name = "head"
	head.Match.PathSpecifier = onPaths(patterns)
	head.Match.Headers = append(head.Match.Headers, headerIs(":method", http.MethodHead))
	head.TypedPerFilterConfig[answersName] = typed(&luav3.LuaPerRoute{
		FilterContext: &structpb.Struct{Fields: map[string]*structpb.Value{"head": structpb.NewBoolValue(true)}},
	})
	return []*routev3.Route{head}
}

// fileRoutes returns the routes for bodies of any type, one for each HTTP method. These bodies
// are forwarded in messages as they arrive, and so need no limit for the whole body.
func fileRoutes(paths restPaths, rest *routev3.Route) []*routev3.Route {
	var routes []*routev3.Route
	found := paths.files()
	for _, verb := range slices.Sorted(maps.Keys(found)) {
		file := proto.CloneOf(rest)
		file.Name = "file"
		delete(file.TypedPerFilterConfig, bufferFilter)
		file.Match.PathSpecifier = onPaths(found[verb].take)
		file.Match.Headers = append(file.Match.Headers, headerMatches(":method", anyVerb([]string{verb})))
		if others := found[verb].others; len(others) > 0 {
			but := headerMatches(":path", anyPath(others))
			but.InvertMatch = true
			file.Match.Headers = append(file.Match.Headers, but)
		}
		routes = append(routes, file)
	}
	return routes
}

// headerMatches matches a header whose whole value matches a regular expression.
func headerMatches(name, pattern string) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name: name,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: pattern}},
		}},
	}
}

// onPaths matches paths by their regular expressions.
func onPaths(patterns []string) *routev3.RouteMatch_SafeRegex {
	return &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: strings.Join(patterns, "|")}}
}

// translationFilters switches on all filters that are off, except the one that buffers.
func translationFilters(c Config) map[string]*anypb.Any {
	settings := map[string]*anypb.Any{}
	for _, filter := range edgeFilters(c) {
		if filter.Disabled && filter.Name != bufferFilter {
			settings[filter.Name] = switchedOn()
		}
	}
	maps.Copy(settings, webSettings(c))
	return settings
}

// off disables a filter except for requests whose first route has a setting for it.
func off(filter *hcmv3.HttpFilter) *hcmv3.HttpFilter {
	filter.Disabled = true
	return filter
}

// switchedOn returns the setting that enables a filter with its defaults.
func switchedOn() *anypb.Any {
	return typed(&routev3.FilterConfig{Config: &anypb.Any{}})
}

// toNowhere returns a route to a cluster that does not exist, for filters that do nothing
// without a route. No backend can have the cluster's name, because of the underscore.
// Envoy answers 404 unless a filter answers, or selects another route.
func toNowhere(name string, headers ...*routev3.HeaderMatcher) *routev3.Route {
	return &routev3.Route{
		Name:  name,
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, Headers: headers},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier:            &routev3.RouteAction_Cluster{Cluster: "envoy_none"},
			ClusterNotFoundResponseCode: routev3.RouteAction_NOT_FOUND,
			IdleTimeout:                 durationpb.New(idleRequest),
		}},
	}
}
