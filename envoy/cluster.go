package envoy

import (
	"net/netip"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	upstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	familyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
)

// These settings determine how soon a change of the pods is noticed. A pod that stops
// reports NOT_SERVING before it refuses calls, and one such answer is enough. The
// thresholds are for failures that may be transient, such as a lost packet.
const (
	connectTimeout  = time.Second
	dnsRefresh      = 2 * time.Second
	dnsFailureFirst = 500 * time.Millisecond
	dnsFailureMost  = 5 * time.Second
	healthInterval  = 2 * time.Second
	healthTimeout   = time.Second
	healthThreshold = 2
)

// A pod that vanishes silently, with its node, is detected by an unanswered PING. Its
// calls under way then end; a failed health check does not end them. The chassis of
// services accepts PINGs this often; grpc-go's default allows one in 5 minutes. TCP's
// own probes do the same for the connections of health checks.
const (
	podPingInterval = 10 * time.Second
	podPingTimeout  = 5 * time.Second
	podProbes       = 3
)

// podStreams is the number of calls that share a connection to a pod; Envoy opens another one
// for more. A client that stops reading leaves up to one stream window unread. The connection's
// window has room for all streams, so such clients do not stall the others. The credit is
// doubled because Envoy's HTTP/2 library returns it only when half is used (nghttp2's
// nghttp2_should_send_window_update). It takes no memory that is not used.
const (
	podStreams          = 100
	podConnectionWindow = 2 * podStreams * streamWindow
)

// These limit the headers that a pod may answer with: the size of all together and of one of
// them, in KiB, and their number. Envoy by default allows 100. A pod may send back metadata.
// An error travels in headers, its details in base64 in one of them. With Envoy's
// defaults, 60 and 64, a large error counts against the pod, and a larger one closes the
// connection with the calls of other clients on it. 256 is the most that Envoy allows
// (Http2ProtocolOptions.max_header_field_size_kb).
const (
	podHeaders     = 1024
	podHeaderField = 256
	podHeaderCount = 1000
)

// clusters returns the clusters of all backends and of their canaries.
func (c Config) clusters() []*clusterv3.Cluster {
	var clusters []*clusterv3.Cluster
	for _, backend := range c.Backends {
		clusters = append(clusters, backendCluster(c, backend))
		if backend.Canary != nil {
			clusters = append(clusters, canaryCluster(c, backend), canaryShare(c, backend))
		}
	}
	return clusters
}

// backendCluster returns a cluster that balances each request over the pods behind one
// DNS name, so that a single client connection reaches them all.
func backendCluster(c Config, b Backend) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: b.Name,
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name:        "envoy.cluster.dns",
			TypedConfig: typed(dnsDiscovery(c.Resolvers)),
		}},
		LoadAssignment:                pods(b),
		ConnectTimeout:                durationpb.New(connectTimeout),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionBuffer),
		TypedExtensionProtocolOptions: upstreamHTTP2(b),
		UpstreamConnectionOptions:     &clusterv3.UpstreamConnectionOptions{TcpKeepalive: tcpKeepalive()},
		HealthChecks:                  []*corev3.HealthCheck{grpcHealthCheck()},
		// Without this a pod that is gone from DNS but still answers keeps
		// getting calls (envoy issue 18151).
		IgnoreHealthOnHostRemoval: true,
		LoadBalancingPolicy:       balancing(c, b),
		CommonLbConfig:            healthyOnly(),
		OutlierDetection:          outliers(),
		CircuitBreakers:           circuitBreakers(c),
	}
}

func tcpKeepalive() *corev3.TcpKeepalive {
	return &corev3.TcpKeepalive{
		KeepaliveTime:     wrapperspb.UInt32(uint32(podPingInterval.Seconds())),
		KeepaliveInterval: wrapperspb.UInt32(uint32(podPingTimeout.Seconds())),
		KeepaliveProbes:   wrapperspb.UInt32(podProbes),
	}
}

// dnsDiscovery makes each A record an endpoint. A headless Service has one A record
// for each ready pod. The Services of backends are IPv4, in a dual-stack cluster too.
func dnsDiscovery(resolvers []netip.AddrPort) *dnsv3.DnsCluster {
	cluster := &dnsv3.DnsCluster{
		DnsRefreshRate: durationpb.New(dnsRefresh),
		DnsFailureRefreshRate: &dnsv3.DnsCluster_RefreshRate{
			BaseInterval: durationpb.New(dnsFailureFirst),
			MaxInterval:  durationpb.New(dnsFailureMost),
		},
		DnsLookupFamily: familyv3.DnsLookupFamily_V4_ONLY,
	}
	if len(resolvers) > 0 {
		config := &caresv3.CaresDnsResolverConfig{}
		for _, resolver := range resolvers {
			config.Resolvers = append(config.Resolvers, socketAddress(resolver.Addr().String(), uint32(resolver.Port())))
		}
		cluster.TypedDnsResolverConfig = &corev3.TypedExtensionConfig{
			Name:        "envoy.network.dns_resolver.cares",
			TypedConfig: typed(config),
		}
	}
	return cluster
}

// grpcHealthCheck asks for the health of the whole server: the empty service
// name of gRPC's health checking protocol (doc/health-checking.md).
func grpcHealthCheck() *corev3.HealthCheck {
	return &corev3.HealthCheck{
		Interval: durationpb.New(healthInterval),
		// Without this a minute passes between checks until the first call.
		NoTrafficInterval:  durationpb.New(healthInterval),
		Timeout:            durationpb.New(healthTimeout),
		HealthyThreshold:   wrapperspb.UInt32(healthThreshold),
		UnhealthyThreshold: wrapperspb.UInt32(healthThreshold),
		HealthChecker:      &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{}},
	}
}

// upstreamHTTP2 returns the protocol options for HTTP/2 to the pods, without TLS.
func upstreamHTTP2(b Backend) map[string]*anypb.Any {
	return map[string]*anypb.Any{
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(&upstreamv3.HttpProtocolOptions{
			CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
				MaxResponseHeadersKb: wrapperspb.UInt32(podHeaders),
				MaxHeadersCount:      wrapperspb.UInt32(podHeaderCount),
			},
			UpstreamProtocolOptions: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
						Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
							MaxConcurrentStreams:        wrapperspb.UInt32(podStreams),
							InitialStreamWindowSize:     wrapperspb.UInt32(streamWindow),
							InitialConnectionWindowSize: wrapperspb.UInt32(podConnectionWindow),
							MaxHeaderFieldSizeKb:        wrapperspb.UInt32(podHeaderField),
							// Handlers can send headers that HTTP/2 forbids, and calls of other clients share the
							// connection.
							OverrideStreamErrorOnInvalidHttpMessage: wrapperspb.Bool(true),
							CustomSettingsParameters:                []*corev3.Http2ProtocolOptions_SettingsParameter{maxHeaderList()},
							ConnectionKeepalive: &corev3.KeepaliveSettings{
								Interval: durationpb.New(podPingInterval),
								Timeout:  durationpb.New(podPingTimeout),
							},
						},
					},
				},
			},
			RequestMirrorPolicies: mirror(b),
		}),
	}
}

// maxHeaderList returns the size limit of headers that Envoy announces to pods (SETTINGS_MAX_HEADER_LIST_SIZE; RFC
// 9113, section 6.5.2). Libraries that respect it end only the call with too large headers.
func maxHeaderList() *corev3.Http2ProtocolOptions_SettingsParameter {
	return &corev3.Http2ProtocolOptions_SettingsParameter{
		Identifier: wrapperspb.UInt32(6), Value: wrapperspb.UInt32(podHeaderField << 10),
	}
}

func endpoint(cluster, host string, port uint32) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: cluster,
		Endpoints:   []*endpointv3.LocalityLbEndpoints{locality("", host, port)},
	}
}
