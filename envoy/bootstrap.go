package envoy

import (
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
)

// bootstrap returns the whole configuration except the certificate.
func bootstrap(c Config) *bootstrapv3.Bootstrap {
	clusters := []*clusterv3.Cluster{adminCluster(c.AdminPort)}
	if zones := c.zones(); len(zones) > 0 {
		clusters = append(clusters, zonesCluster(zones, c.AdminPort))
	}
	clusters = append(clusters, issuerClusters(c)...)
	clusters = append(clusters, collectorClusters(c)...)
	clusters = append(clusters, c.clusters()...)
	return &bootstrapv3.Bootstrap{
		// SDS asks for both names, even from a file.
		Node:            &corev3.Node{Id: "edge", Cluster: "edge"},
		StatsConfig:     statsConfig(),
		Admin:           &bootstrapv3.Admin{Address: socketAddress(loopback, c.AdminPort)},
		LayeredRuntime:  runtimeLimits(c.MaxConnections),
		OverloadManager: overloadManager(c),
		ClusterManager:  zonesManager(c.zones()),
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Listeners: []*listenerv3.Listener{
				httpsListener(c),
				metricsListener(c.MetricsPort),
				readyListener(c.ReadyPort),
			},
			Clusters: clusters,
		},
	}
}

const (
	loopback     = "127.0.0.1"
	allAddresses = "0.0.0.0"
)

func socketAddress(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{
			Address:       host,
			PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
		},
	}}
}
