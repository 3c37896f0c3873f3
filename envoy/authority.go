package envoy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// acceptAuthorities has the listener read the name that a client asks for in its
// TLS hello (SNI), and close the connection if it is none of ours.
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

// virtualHosts serve the routes for the authorities, and tell the others that
// they are in the wrong place: 421, as RFC 9110 (section 15.5.20) has it, or to
// gRPC UNIMPLEMENTED, as for a service that is not here. The gRPC status of 421
// would be UNKNOWN, and UNAVAILABLE would invite to try again.
//
// A name counts with any port: RouteConfiguration.ignore_port_in_host_matching.
func virtualHosts(c Config, routes []*routev3.Route) []*routev3.VirtualHost {
	if len(c.Authorities) == 0 {
		return []*routev3.VirtualHost{{Name: "services", Domains: []string{"*"}, Routes: routes}}
	}
	everything := &routev3.RouteMatch_Prefix{Prefix: "/"}
	return []*routev3.VirtualHost{
		{Name: "services", Domains: c.Authorities, Routes: routes},
		{Name: "misdirected", Domains: []string{"*"}, Routes: []*routev3.Route{
			misdirected(&routev3.RouteMatch{PathSpecifier: everything, Grpc: &routev3.RouteMatch_GrpcRouteMatchOptions{}}, http.StatusNotFound),
			misdirected(&routev3.RouteMatch{PathSpecifier: everything}, http.StatusMisdirectedRequest),
		}},
	}
}

func misdirected(match *routev3.RouteMatch, status uint32) *routev3.Route {
	return &routev3.Route{
		Name:  "misdirected",
		Match: match,
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: status,
			Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{
				InlineString: "this :authority is not served here",
			}},
		}},
	}
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
