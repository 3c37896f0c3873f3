package envoy

import (
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Limits from Envoy's guide for edge proxies
// (docs/root/configuration/best_practices/edge.rst), for listeners and
// connections that are open to untrusted clients.
const (
	connectionBuffer     = 32 << 10 // bytes
	streamWindow         = 64 << 10 // bytes
	idleConnection       = time.Hour
	handshakeTimeout     = 10 * time.Second
	requestHeaderTimeout = 10 * time.Second
)

// A client that vanishes silently is detected by an unanswered PING, so streams need
// no idle timeout. gRPC clients answer PINGs by themselves. Their own default for the
// same timeout is also twenty seconds (gRPC's doc/keepalive.md). HTTP/1.1 has no PING: there,
// TCP probes the client while nothing is being sent to it. Both come, with PING's jitter, before the
// load balancer forgets an idle connection after 60 seconds (Cloud Load Balancing, "Backend
// service-based external passthrough Network Load Balancer overview", Connection tracking): a
// forgotten one may reach another node when nodes have changed.
const (
	pingInterval  = 45 * time.Second
	pingTimeout   = 20 * time.Second
	probeInterval = 10 * time.Second
	probes        = 3
)

// httpsName names the listener for clients, its statistics and its limit.
const httpsName = "https"

// httpsListener takes gRPC over TLS from clients.
func httpsListener(c Config) *listenerv3.Listener {
	listener := &listenerv3.Listener{
		Name:                          httpsName,
		Address:                       clientAddress(c),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionBuffer),
		// Clients are told to leave when all of Envoy drains, not yet when readiness
		// fails: until the load balancer knows, they would reconnect here.
		DrainType: listenerv3.Listener_MODIFY_ONLY,
		TcpKeepalive: &corev3.TcpKeepalive{
			KeepaliveTime:     wrapperspb.UInt32(uint32(pingInterval.Seconds())),
			KeepaliveInterval: wrapperspb.UInt32(uint32(probeInterval.Seconds())),
			KeepaliveProbes:   wrapperspb.UInt32(probes),
		},
		FilterChains: []*listenerv3.FilterChain{{
			TransportSocket:               downstreamTLS(c),
			TransportSocketConnectTimeout: durationpb.New(handshakeTimeout),
			Filters:                       []*listenerv3.Filter{networkFilter(edgeManager(c))},
		}},
	}
	acceptAuthorities(c, listener)
	return listener
}

// clientAddress returns the address that clients connect to. A listener on :: that is
// compatible with IPv4 takes clients of both families, and Envoy reads the mapped address
// of an IPv4 client (::ffff:a.b.c.d) as a.b.c.d: all that compares, counts, logs or forwards
// addresses sees the same as without DualStack.
func clientAddress(c Config) *corev3.Address {
	if !c.DualStack {
		return socketAddress(allAddresses, c.HTTPSPort)
	}
	address := socketAddress("::", c.HTTPSPort)
	address.GetSocketAddress().Ipv4Compat = true
	return address
}

// edgeManager returns the connection manager for requests from untrusted clients.
func edgeManager(c Config) *hcmv3.HttpConnectionManager {
	manager := &hcmv3.HttpConnectionManager{
		StatPrefix:       httpsName,
		RouteSpecifier:   &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: moveDeadline(serviceRoutes(c))},
		HttpFilters:      edgeFilters(c),
		LocalReplyConfig: localReplies(c),
		AccessLog:        accessLog(c),
		Tracing:          tracing(c),

		// The client's address is that of its connection, which a passthrough load
		// balancer keeps. An address that the client claims is ignored.
		UseRemoteAddress:              wrapperspb.Bool(true),
		EarlyHeaderMutationExtensions: dropForged(),
		// Does not reveal the server; a backend's own header passes.
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
		// The caller can quote the id under which the call is logged.
		AlwaysSetRequestIdInResponse: true,

		// A path is compared and forwarded unchanged. The path of a method has one spelling
		// anyway, and Envoy would silently change a value in the path of REST.
		NormalizePath:                wrapperspb.Bool(false),
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_KEEP_UNCHANGED,

		// The timeouts of routes hold, see forward and toNowhere. Envoy would arm a timer for each call, and
		// drop it when it has found the route.
		StreamIdleTimeout:     durationpb.New(0),
		MaxRequestHeadersKb:   wrapperspb.UInt32(requestHeaders),
		RequestHeadersTimeout: durationpb.New(requestHeaderTimeout),
		StreamFlushTimeout:    durationpb.New(flushTimeout),
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout:                  durationpb.New(idleConnection),
			MaxConnectionDuration:        maxConnectionAge(c),
			MaxConnectionDurationJitter:  &typev3.Percent{Value: connectionAgeJitter},
			HeadersWithUnderscoresAction: c.Underscores.action(),
		},
		// HTTP/1.1 has no GOAWAY. Envoy closes an old connection with the answer to its next
		// request; otherwise it could close it just as a client sends one (envoy issue 34356).
		Http1SafeMaxConnectionDuration: true,
		// A client of HTTP/1.1 sees by the trailers that a stream has failed half-way.
		HttpProtocolOptions: &corev3.Http1ProtocolOptions{EnableTrailers: true},
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:    wrapperspb.UInt32(c.MaxStreams),
			InitialStreamWindowSize: wrapperspb.UInt32(streamWindow),
			// Uploads that a pod does not read keep their windows, and stall no other call of the
			// connection. It is doubled as for pods, see podStreams.
			InitialConnectionWindowSize: wrapperspb.UInt32(2 * c.MaxStreams * streamWindow),
			// A call with a header that HTTP/2 forbids ends alone.
			OverrideStreamErrorOnInvalidHttpMessage: wrapperspb.Bool(true),
			StreamResetBurst:                        wrapperspb.UInt64(resetBurst),
			StreamResetRate:                         wrapperspb.UInt64(resetRate),
			ConnectionKeepalive: &corev3.KeepaliveSettings{
				Interval:       durationpb.New(pingInterval),
				Timeout:        durationpb.New(pingTimeout),
				IntervalJitter: &typev3.Percent{Value: 15},
			},
		},
	}
	forwardIdentity(c, manager)
	return manager
}

// action returns what Envoy does before any filter. [underscoreFilters] refuses with a reason.
func (u Underscores) action() corev3.HttpProtocolOptions_HeadersWithUnderscoresAction {
	if u == DropUnderscores {
		return corev3.HttpProtocolOptions_DROP_HEADER
	}
	return corev3.HttpProtocolOptions_ALLOW
}

// edgeFilters returns the filters in the order in which they see a request. What concerns a
// client, whatever it calls, comes before transcoding: that buffers a whole request, and answers
// those that it cannot translate. Filters after it see only paths of gRPC, so that a rule for a
// method applies however it is called.
func edgeFilters(c Config) []*hcmv3.HttpFilter {
	return slices.Concat(
		trailerFilters(),
		webFilters(c),
		answerFilters(),
		underscoreFilters(c),
		[]*hcmv3.HttpFilter{statsFilter(c, "grpc_stats")},
		clientFilters(c),
		clientRateFilters(c),
		transcodingFilters(c),
		[]*hcmv3.HttpFilter{statusFilter(), translatedFilter(), off(statsFilter(c, "translated_stats"))},
		ruleClientFilters(c),
		tokenFilters(c),
		ruleRateFilters(c),
		[]*hcmv3.HttpFilter{routerFilter()},
	)
}

// routerFilter returns the filter that forwards requests. It adds none of the x-envoy-
// headers, which would show timings and hosts to clients. It counts no HTTP status by cluster.
// gRPC's is always 200, and counting it costs a call 5 % of Envoy's CPU time (docs/benchmark.md).
func routerFilter() *hcmv3.HttpFilter {
	return httpFilter("envoy.filters.http.router", &routerv3.Router{SuppressEnvoyHeaders: true, DynamicStats: wrapperspb.Bool(false)})
}

func networkFilter(manager *hcmv3.HttpConnectionManager) *listenerv3.Filter {
	return &listenerv3.Filter{
		Name:       "envoy.filters.network.http_connection_manager",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: typed(manager)},
	}
}

func httpFilter(name string, config message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{
		Name:       name,
		ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: typed(config)},
	}
}
