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

// How soon a change among the pods is noticed. A pod that stops reports
// NOT_SERVING before it refuses calls, and one answer of that kind is enough; the
// thresholds count what may pass, such as a lost packet.
const (
	connectTimeout  = time.Second
	dnsRefresh      = 2 * time.Second
	dnsFailureFirst = 500 * time.Millisecond
	dnsFailureMost  = 5 * time.Second
	healthInterval  = 2 * time.Second
	healthTimeout   = time.Second
	healthThreshold = 2
)

// retriesAtOnce lets every call that a crashed pod did not take go to another:
// as many as the calls that Envoy has under way to one cluster by default. The
// default for retries is 3 (docs/root/intro/arch_overview/upstream/circuit_breaking.rst).
const retriesAtOnce = 1024

// backendCluster balances each request over the pods behind one DNS name, in
// turn: a client's single connection reaches them all.
func backendCluster(b Backend, resolvers []netip.AddrPort) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: b.Name,
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name:        "envoy.cluster.dns",
			TypedConfig: typed(dnsDiscovery(resolvers)),
		}},
		LoadAssignment:                endpoint(b.Name, b.Address, b.Port),
		LbPolicy:                      clusterv3.Cluster_ROUND_ROBIN,
		ConnectTimeout:                durationpb.New(connectTimeout),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionBuffer),
		TypedExtensionProtocolOptions: upstreamHTTP2(),
		HealthChecks:                  []*corev3.HealthCheck{grpcHealthCheck()},
		// Without this a pod that is gone from DNS but still answers keeps
		// getting calls (envoy issue 18151).
		IgnoreHealthOnHostRemoval: true,
		CircuitBreakers: &clusterv3.CircuitBreakers{
			Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{MaxRetries: wrapperspb.UInt32(retriesAtOnce)}},
		},
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{
			// A pod just found, not yet checked, does not count as a sick one.
			IgnoreNewHostsUntilFirstHc: true,
		},
	}
}

// dnsDiscovery makes each A record an endpoint, as a headless Service has one
// for each ready pod. Pod addresses of a VPC-native cluster are IPv4.
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
		// Otherwise a minute passes between checks until the first call.
		NoTrafficInterval:  durationpb.New(healthInterval),
		Timeout:            durationpb.New(healthTimeout),
		HealthyThreshold:   wrapperspb.UInt32(healthThreshold),
		UnhealthyThreshold: wrapperspb.UInt32(healthThreshold),
		HealthChecker:      &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{}},
	}
}

// upstreamHTTP2 speaks HTTP/2 without TLS to the pods.
func upstreamHTTP2() map[string]*anypb.Any {
	return map[string]*anypb.Any{
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(&upstreamv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
						Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
							InitialStreamWindowSize:     wrapperspb.UInt32(streamWindow),
							InitialConnectionWindowSize: wrapperspb.UInt32(connectionWindow),
						},
					},
				},
			},
		}),
	}
}

func endpoint(cluster, host string, port uint32) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: cluster,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
					Endpoint: &endpointv3.Endpoint{Address: socketAddress(host, port)},
				},
			}},
		}},
	}
}
