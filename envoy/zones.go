package envoy

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	lbcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/common/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// zonesClusterName contains underscores, so that no backend can have it.
const zonesClusterName = "envoy_zones"

// zoneVariable is the environment variable with the zone of Envoy's node.
// Kubernetes replaces $(ZONE) in arguments with its value.
const zoneVariable = "ZONE"

// zones lists the zones of all backends, sorted.
func (c Config) zones() []string {
	all := map[string]bool{}
	for _, backend := range c.Backends {
		for zone := range backend.Zones {
			all[zone] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// zonesCluster tells Envoy the zones of all Envoys. To overload no zone's pods, Envoy
// compares a zone's share of the pods with its share of the Envoys
// (docs/root/intro/arch_overview/upstream/load_balancing/zone_aware.rst). Here each
// zone has the same share of Envoys, as with a load balancer that spreads clients
// evenly. A zone with fewer pods than others keeps calls in proportion to its pods, and
// passes on the rest. Nothing is ever sent to this cluster.
func zonesCluster(zones []string, adminPort uint32) *clusterv3.Cluster {
	envoys := &endpointv3.ClusterLoadAssignment{ClusterName: zonesClusterName}
	for _, zone := range zones {
		envoys.Endpoints = append(envoys.Endpoints, locality(zone, loopback, adminPort))
	}
	return &clusterv3.Cluster{
		Name:                 zonesClusterName,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       durationpb.New(connectTimeout),
		LoadAssignment:       envoys,
	}
}

// zonesManager makes zonesCluster the one that Envoy itself is in.
func zonesManager(zones []string) *bootstrapv3.ClusterManager {
	if len(zones) == 0 {
		return nil
	}
	return &bootstrapv3.ClusterManager{LocalClusterName: zonesClusterName}
}

// preferOwnZone applies to any number of pods; Envoy's default minimum is six.
func preferOwnZone(backend Backend) *lbcommonv3.LocalityLbConfig {
	if len(backend.Zones) == 0 {
		return nil
	}
	return &lbcommonv3.LocalityLbConfig{LocalityConfigSpecifier: &lbcommonv3.LocalityLbConfig_ZoneAwareLbConfig_{
		ZoneAwareLbConfig: &lbcommonv3.LocalityLbConfig_ZoneAwareLbConfig{MinClusterSize: wrapperspb.UInt64(1)},
	}}
}

// pods returns the endpoints of a backend's pods.
func pods(backend Backend) *endpointv3.ClusterLoadAssignment {
	if len(backend.Zones) == 0 {
		return endpoint(backend.Name, backend.Address, backend.Port)
	}
	assignment := &endpointv3.ClusterLoadAssignment{ClusterName: backend.Name}
	for _, zone := range slices.Sorted(maps.Keys(backend.Zones)) {
		assignment.Endpoints = append(assignment.Endpoints, locality(zone, backend.Zones[zone], backend.Port))
	}
	return assignment
}

// locality returns an endpoint in a zone; an empty zone is no zone.
func locality(zone, host string, port uint32) *endpointv3.LocalityLbEndpoints {
	place := &endpointv3.LocalityLbEndpoints{
		LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
				Endpoint: &endpointv3.Endpoint{Address: socketAddress(host, port)},
			},
		}},
	}
	if zone != "" {
		place.Locality = &corev3.Locality{Zone: zone}
	}
	return place
}

// validateZones checks the zones of a backend.
func (b Backend) validateZones(field string) error {
	var errs []error
	for _, zone := range slices.Sorted(maps.Keys(b.Zones)) {
		address := b.Zones[zone]
		if !dnsLabel.MatchString(zone) {
			errs = append(errs, fmt.Errorf("%s.Zones: %q must be the name of a zone, such as europe-west1-b", field, zone))
		}
		if !validDNSName(address) {
			errs = append(errs, fmt.Errorf("%s.Zones[%q]: %q must be a DNS name, such as echo-b.default.svc.cluster.local", field, zone, address))
		}
	}
	return errors.Join(errs...)
}
