package envoy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	aggregatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/aggregate/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The values of [Canary].Header.
const (
	canaryValue = "canary"
	stableValue = "stable"
)

// canaryName returns the name of the cluster of a backend's canary.
func canaryName(backend string) string { return backend + "-canary" }

// shareName returns the name of the cluster that takes the canary's share of the calls. No
// backend can have it, because of the underscore.
func shareName(backend string) string { return backend + "_canary" }

// releases returns the routes, made from a route and its action, that lead to the
// versions of the backend. The version of a call is chosen once: a retry goes to
// another pod of the same version.
func releases(backend Backend, route *routev3.Route, action *routev3.RouteAction) []*routev3.Route {
	canary := backend.Canary
	if canary == nil {
		return []*routev3.Route{toCluster(route, action, backend.Name)}
	}
	var routes []*routev3.Route
	if canary.Header != "" {
		for _, version := range []struct{ value, cluster string }{
			{canaryValue, canaryName(backend.Name)}, {stableValue, backend.Name},
		} {
			chosen := toCluster(route, action, version.cluster)
			chosen.Match.Headers = append(chosen.Match.Headers, headerIs(canary.Header, version.value))
			routes = append(routes, chosen)
		}
	}
	shared := proto.CloneOf(action)
	shared.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: &routev3.WeightedCluster{
		Clusters: []*routev3.WeightedCluster_ClusterWeight{
			{Name: backend.Name, Weight: wrapperspb.UInt32(100 - canary.Weight)},
			{Name: shareName(backend.Name), Weight: wrapperspb.UInt32(canary.Weight)},
		},
	}}
	last := proto.CloneOf(route)
	last.Action = &routev3.Route_Route{Route: shared}
	return append(routes, last)
}

// mirror returns the policy that also sends a share of the first version's calls to
// the canary. It is a setting of the cluster rather than of a route, so that calls
// to the canary are not sent there twice.
//
// Every kind of call is mirrored, streams too, message by message. The :authority of
// a mirrored call ends in -shadow.
func mirror(backend Backend) []*routev3.RouteAction_RequestMirrorPolicy {
	if backend.Canary == nil || backend.Canary.Mirror == 0 {
		return nil
	}
	return []*routev3.RouteAction_RequestMirrorPolicy{{
		Cluster: canaryName(backend.Name),
		RuntimeFraction: &corev3.RuntimeFractionalPercent{
			DefaultValue: &typev3.FractionalPercent{Numerator: backend.Canary.Mirror, Denominator: typev3.FractionalPercent_HUNDRED},
		},
	}}
}

// canaryCluster returns the cluster of a backend's canary. It differs from the
// backend's own cluster only in its name and in where its pods are.
func canaryCluster(c Config, backend Backend) *clusterv3.Cluster {
	return backendCluster(c, Backend{
		Name: canaryName(backend.Name), Address: backend.Canary.Address, Port: backend.Port,
	})
}

// canaryShare returns the cluster that leads to the canary and, while that has no healthy pod,
// to the stable version. So a canary that fails altogether costs no call of its share. Ending a
// canary costs none either, although draining Envoys still route to its deleted pods.
func canaryShare(c Config, backend Backend) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: shareName(backend.Name),
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name:        "envoy.clusters.aggregate",
			TypedConfig: typed(&aggregatev3.ClusterConfig{Clusters: []string{canaryName(backend.Name), backend.Name}}),
		}},
		LbPolicy:                      clusterv3.Cluster_CLUSTER_PROVIDED,
		ConnectTimeout:                durationpb.New(connectTimeout),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionBuffer),
		TypedExtensionProtocolOptions: upstreamHTTP2(Backend{}), // which mirrors nothing
		CommonLbConfig:                healthyOnly(),
		CircuitBreakers:               circuitBreakers(c),
	}
}

// headerName matches the name of a header that Envoy lets through and a client can
// set: in lower case as in HTTP/2 (RFC 9113, section 8.2.1).
var headerName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// reservedHeader reports whether gRPC reserves the name (doc/PROTOCOL-HTTP2.md), or the edge drops
// the header from requests.
func reservedHeader(name string) bool {
	return slices.ContainsFunc(append([]string{"grpc-"}, edgeOnly...), func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// validate checks the canary of the named backend.
func (canary *Canary) validate(field, backend string) error {
	if canary == nil {
		return nil
	}
	var errs []error
	if !dnsLabel.MatchString(canaryName(backend)) {
		errs = append(errs, fmt.Errorf("%s: %q, the name of the canary's cluster, must be a DNS label; shorten the backend's name to 56 characters",
			field, canaryName(backend)))
	}
	if !validDNSName(canary.Address) {
		errs = append(errs, fmt.Errorf("%s.Address: %q must be a DNS name, such as echo-canary.default.svc.cluster.local", field, canary.Address))
	}
	for _, share := range []struct {
		field   string
		percent uint32
	}{{"Weight", canary.Weight}, {"Mirror", canary.Mirror}} {
		if share.percent > 100 {
			errs = append(errs, fmt.Errorf("%s.%s: %d must be a percentage from 0 to 100", field, share.field, share.percent))
		}
	}
	if canary.Header != "" && (!headerName.MatchString(canary.Header) || reservedHeader(canary.Header)) {
		errs = append(errs, fmt.Errorf("%s.Header: %q must be the name of a header in a-z, 0-9 and -, and not one of gRPC or of the edge; x-release is one", field, canary.Header))
	}
	return errors.Join(errs...)
}
