package envoy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	grpcwebv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_web/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// These are the names by which routes refer to the filters.
const (
	corsFilter    = "envoy.filters.http.cors"
	grpcWebFilter = "envoy.filters.http.grpc_web"
)

// The headers that a page of one of the origins may send and read, besides those that
// the Fetch standard always allows: the headers of gRPC-Web (gRPC's
// doc/PROTOCOL-WEB.md), of tokens and of W3C Trace Context.
const (
	webRequestHeaders  = "content-type,x-grpc-web,x-user-agent,grpc-timeout,authorization,traceparent,tracestate"
	webResponseHeaders = "grpc-status,grpc-message,grpc-status-details-bin,x-request-id"
	webMethods         = "POST"
	restMethods        = "GET,POST,PUT,PATCH,DELETE"
	// preflightAge, in seconds, is the maximum time that Chromium caches an answer.
	preflightAge = "7200"
)

// webFilters returns the filters for web pages: CORS and gRPC-Web.
func webFilters(c Config) []*hcmv3.HttpFilter {
	web := []*hcmv3.HttpFilter{off(httpFilter(grpcWebFilter, &grpcwebv3.GrpcWeb{}))}
	if len(c.Origins) == 0 {
		return web
	}
	return append([]*hcmv3.HttpFilter{off(httpFilter(corsFilter, &corsv3.Cors{}))}, web...)
}

// webSettings returns the settings that enable these filters, in a route or in a whole
// virtual host.
func webSettings(c Config) map[string]*anypb.Any {
	settings := corsSettings(c)
	settings[grpcWebFilter] = switchedOn()
	return settings
}

// corsSettings returns the setting that enables the filter of CORS, if there are origins.
func corsSettings(c Config) map[string]*anypb.Any {
	settings := map[string]*anypb.Any{}
	if len(c.Origins) > 0 {
		settings[corsFilter] = typed(corsPolicy(c))
	}
	return settings
}

// varyByOrigin returns the Vary header that the Fetch standard advises for servers whose
// answer depends on the origin ("CORS protocol and HTTP caches").
func varyByOrigin(c Config) []*corev3.HeaderValueOption {
	if len(c.Origins) == 0 {
		return nil
	}
	return []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "vary", Value: "origin"}}}
}

// corsPolicy allows no credentials: a page sends its token in a header that it sets
// itself, so no other page can make a browser call with a cookie.
func corsPolicy(c Config) *corsv3.CorsPolicy {
	policy := &corsv3.CorsPolicy{
		AllowMethods:                 webMethods,
		AllowHeaders:                 strings.Join(c.pageRequestHeaders(), ","),
		ExposeHeaders:                strings.Join(append([]string{webResponseHeaders}, c.PageResponseHeaders...), ","),
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

// pageRequestHeaders lists what pages may send, with the headers that choose a canary.
func (c Config) pageRequestHeaders() []string {
	list := append([]string{webRequestHeaders}, c.PageRequestHeaders...)
	for _, backend := range c.Backends {
		if backend.Canary != nil && backend.Canary.Header != "" && !slices.Contains(list, backend.Canary.Header) {
			list = append(list, backend.Canary.Header)
		}
	}
	return list
}

func (c Config) validatePageHeaders() error {
	var errs []error
	for _, field := range []struct {
		name string
		list []string
	}{{"PageRequestHeaders", c.PageRequestHeaders}, {"PageResponseHeaders", c.PageResponseHeaders}} {
		for i, name := range field.list {
			switch dashed := strings.ReplaceAll(name, "_", "-"); {
			case !headerName.MatchString(dashed):
				errs = append(errs, fmt.Errorf("%s[%d]: %q must be the name of a header in a-z, 0-9, - and _, such as x-tenant", field.name, i, name))
			case dashed != name && field.name == "PageRequestHeaders" && c.Underscores != AllowUnderscores:
				errs = append(errs, fmt.Errorf("%s[%d]: %q has an underscore, so it reaches no service; set Underscores to %s as well", field.name, i, name, AllowUnderscores))
			}
		}
	}
	if !slices.Contains([]Underscores{DropUnderscores, RefuseUnderscores, AllowUnderscores}, c.Underscores) {
		errs = append(errs, fmt.Errorf("Underscores: %q must be empty, %s or %s", c.Underscores, RefuseUnderscores, AllowUnderscores))
	}
	return errors.Join(errs...)
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
