package envoy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	matchingv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// acceptAuthorities makes the listener read the name in a client's TLS hello (SNI),
// and close the connection if it is not one of the authorities.
func acceptAuthorities(c Config, listener *listenerv3.Listener) {
	if len(c.Authorities) == 0 {
		return
	}
	listener.ListenerFilters = append(listener.ListenerFilters, &listenerv3.ListenerFilter{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: typed(&tlsinspectorv3.TlsInspector{})},
	})
	listener.ListenerFiltersTimeout = durationpb.New(handshakeTimeout)
	for _, chain := range listener.FilterChains {
		chain.FilterChainMatch = &listenerv3.FilterChainMatch{ServerNames: c.Authorities}
	}
}

// virtualHosts returns a virtual host for each authority that has rules of its own, one for the
// other authorities, and one for all other names. Calls to other names are misdirected.
// routes returns the routes for an authority; empty for those without rules of their own.
//
// A name counts with any port: RouteConfiguration.ignore_port_in_host_matching.
func virtualHosts(c Config, routes func(authority string) *matchingv3.Matcher) []*routev3.VirtualHost {
	if len(c.Authorities) == 0 {
		return []*routev3.VirtualHost{{Name: "services", Domains: []string{"*"}, Matcher: routes(""), ResponseHeadersToAdd: varyByOrigin(c)}}
	}
	var hosts []*routev3.VirtualHost
	var others []string
	for _, name := range c.Authorities {
		if !c.hasRules(name) {
			others = append(others, name)
			continue
		}
		hosts = append(hosts, &routev3.VirtualHost{Name: name, Domains: []string{name}, Matcher: routes(name)})
	}
	if len(others) > 0 {
		hosts = append(hosts, &routev3.VirtualHost{Name: "services", Domains: others, Matcher: routes("")})
	}
	everything := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
	settings := webSettings(c)
	settings[answersName] = switchedOn() // for the content types that Envoy does not take for gRPC
	hosts = append(hosts, &routev3.VirtualHost{
		Name: "misdirected", Domains: []string{"*"}, TypedPerFilterConfig: settings,
		Routes: misdirected(everything, "this :authority is not served here"),
	})
	for _, host := range hosts {
		host.ResponseHeadersToAdd = varyByOrigin(c)
	}
	return hosts
}

// misdirected returns the routes that answer a call to the wrong name: with 421 (RFC 9110,
// section 15.5.20), or to gRPC with UNIMPLEMENTED, as for an unknown service. The gRPC
// status of 421 would be UNKNOWN, and UNAVAILABLE would invite a retry. gRPC-Web gets
// HTTP's 404, which its clients read as UNIMPLEMENTED.
func misdirected(match *routev3.RouteMatch, reason string) []*routev3.Route {
	answer := func(match *routev3.RouteMatch, status uint32) *routev3.Route {
		return &routev3.Route{
			Name:  "misdirected",
			Match: match,
			Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
				Status: status,
				Body:   &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: reason}},
			}},
		}
	}
	fromGRPC := proto.CloneOf(match)
	fromGRPC.Headers = append(fromGRPC.Headers, contentTypeIsGRPC(), not(transcoded()))
	return []*routev3.Route{answer(fromGRPC, http.StatusNotFound), answer(match, http.StatusMisdirectedRequest)}
}

func (c Config) validateAuthorities() error {
	var errs []error
	first := map[string]int{}
	for i, name := range c.Authorities {
		field := fmt.Sprintf("Authorities[%d]", i)
		_, notAddress := netip.ParseAddr(name)
		if !validDNSName(name) || strings.HasSuffix(name, ".") || notAddress == nil {
			errs = append(errs, fmt.Errorf("%s: %q must be a DNS name without final dot or port, such as grpc.example.com", field, name))
		}
		if j, taken := first[name]; taken {
			errs = append(errs, fmt.Errorf("%s: %q is already Authorities[%d]", field, name, j))
		} else {
			first[name] = i
		}
	}
	return errors.Join(errs...)
}
