package envoy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	grpcwebv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_web/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// corsFilter names the filter and the policy that routes have for it.
const corsFilter = "envoy.filters.http.cors"

// What a page of one of the origins may send and read, besides what the Fetch
// standard always allows: what gRPC-Web (gRPC's doc/PROTOCOL-WEB.md), tokens and
// W3C Trace Context take.
const (
	webRequestHeaders  = "content-type,x-grpc-web,x-user-agent,grpc-timeout,authorization,traceparent,tracestate"
	webResponseHeaders = "grpc-status,grpc-message,grpc-status-details-bin,x-request-id"
	webMethods         = "POST"
	restMethods        = "GET,POST,PUT,PATCH,DELETE"
	// preflightAge, in seconds, is as long as Chromium remembers an answer at most.
	preflightAge = "7200"
)

// webFilters answers web pages: CORS and gRPC-Web.
func webFilters(c Config) []*hcmv3.HttpFilter {
	web := []*hcmv3.HttpFilter{httpFilter("envoy.filters.http.grpc_web", &grpcwebv3.GrpcWeb{})}
	if len(c.Origins) == 0 {
		return web
	}
	return append([]*hcmv3.HttpFilter{httpFilter(corsFilter, &corsv3.Cors{})}, web...)
}

// allowOrigins gives the policy of CORS to all routes.
//
// The filter does nothing for a request that has no route, so one from a page
// always has: its preflight is answered, and the page can read why a call failed.
func allowOrigins(c Config, routes *routev3.RouteConfiguration) *routev3.RouteConfiguration {
	if len(c.Origins) == 0 {
		return routes
	}
	for _, host := range routes.VirtualHosts {
		host.TypedPerFilterConfig = map[string]*anypb.Any{corsFilter: typed(corsPolicy(c))}
		// The Fetch standard's advice to servers whose answer depends on the
		// origin ("CORS protocol and HTTP caches").
		host.ResponseHeadersToAdd = append(host.ResponseHeadersToAdd, &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: "vary", Value: "origin"},
		})
		host.Routes = append(host.Routes, toNowhere("unrouted", &routev3.HeaderMatcher{
			Name:                 "origin",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
		}))
	}
	routes.ValidateClusters = wrapperspb.Bool(false)
	return routes
}

// toNowhere is a route to a cluster that does not exist, for filters that do
// nothing without a route; with the underscore no backend can have its name.
// Envoy answers 404 unless a filter answers, or leads to another route.
func toNowhere(name string, match *routev3.HeaderMatcher) *routev3.Route {
	return &routev3.Route{
		Name: name,
		Match: &routev3.RouteMatch{
			PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"},
			Headers:       []*routev3.HeaderMatcher{match},
		},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier:            &routev3.RouteAction_Cluster{Cluster: "envoy_none"},
			ClusterNotFoundResponseCode: routev3.RouteAction_NOT_FOUND,
		}},
	}
}

// corsPolicy allows no credentials: a page sends its token in a header of its own
// making, so no other page can make a browser call with a cookie.
func corsPolicy(c Config) *corsv3.CorsPolicy {
	policy := &corsv3.CorsPolicy{
		AllowMethods:                 webMethods,
		AllowHeaders:                 webRequestHeaders,
		ExposeHeaders:                webResponseHeaders,
		MaxAge:                       preflightAge,
		ForwardNotMatchingPreflights: wrapperspb.Bool(false),
	}
	if c.REST {
		policy.AllowMethods = restMethods
	}
	for _, origin := range c.Origins {
		policy.AllowOriginStringMatch = append(policy.AllowOriginStringMatch, &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Exact{Exact: origin},
		})
	}
	return policy
}

func (c Config) validateOrigins() error {
	var errs []error
	for i, origin := range c.Origins {
		field := fmt.Sprintf("Origins[%d]", i)
		if !validOrigin(origin) {
			errs = append(errs, fmt.Errorf("%s: %q must be an origin as browsers send it: http or https, a name or address in lower case, "+
				"and a port unless it is the scheme's own, such as https://app.example.com", field, origin))
		}
		if first := slices.Index(c.Origins, origin); first < i {
			errs = append(errs, fmt.Errorf("%s: %q is already Origins[%d]", field, origin, first))
		}
	}
	return errors.Join(errs...)
}

// validOrigin accepts the serialization of an origin (HTML standard, "ASCII
// serialization of an origin"), since it is compared byte by byte.
func validOrigin(origin string) bool {
	parsed, err := url.Parse(origin)
	if err != nil || origin != parsed.Scheme+"://"+parsed.Host {
		return false
	}
	ownPort, known := map[string]string{"http": ":80", "https": ":443"}[parsed.Scheme]
	if !known || strings.HasSuffix(parsed.Host, ":") || strings.HasSuffix(parsed.Host, ownPort) {
		return false
	}
	if port := parsed.Port(); port != "" {
		if _, err := netip.ParseAddrPort("[::]:" + port); err != nil {
			return false
		}
	}
	_, err = netip.ParseAddr(parsed.Hostname())
	return err == nil || validDNSName(parsed.Hostname())
}
