package e2e

import (
	"fmt"
	"net/netip"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"example.com/grpc-edge/envoy"
)

// TestOwnZoneIsPreferred has two pods in the zone of Envoy and two in another.
func TestOwnZoneIsPreferred(t *testing.T) {
	t.Parallel()
	for name, leastRequest := range map[string]bool{"in turn": false, "least request": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startZones(t, leastRequest)
			connection := p.dial(t)
			p.healthy(t, 4)
			if shares := p.take(t, connection, 100); shares[0] == 0 || shares[1] == 0 || shares[0]+shares[1] != 100 {
				t.Errorf("100 calls were shared as %d, want all of them for the first two pods, in Envoy's zone", shares)
			}

			for _, b := range p.backends[:2] {
				b.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
			}
			p.healthy(t, 2)
			if shares := p.take(t, connection, 100); shares[2] == 0 || shares[3] == 0 || shares[2]+shares[3] != 100 {
				t.Errorf("100 calls were shared as %d, want all of them for the other zone, the only healthy one", shares)
			}

			for _, b := range p.backends[:2] {
				b.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
			}
			p.healthy(t, 4)
			if shares := p.take(t, connection, 100); shares[0]+shares[1] != 100 {
				t.Errorf("100 calls were shared as %d, want Envoy's own zone to have them back", shares)
			}
		})
	}
}

// TestSmallZoneIsSpared leaves Envoy's zone one pod of four. Half of the Envoys
// are in that zone, so with all their calls it would have to serve half of all.
func TestSmallZoneIsSpared(t *testing.T) {
	t.Parallel()
	p := startZones(t, false)
	p.dns.Set(zoneName("zone-a"), p.hosts[0])
	p.dns.Set(zoneName("zone-b"), p.hosts[1:]...)
	connection := p.dial(t)
	// A quarter of the pods for half of the calls: half of them go elsewhere. The
	// pods that came are in slow start, which changes nothing between zones.
	eventually(t, noticeLimit, func() error {
		shares := p.take(t, connection, 1000)
		if shares[2] < 50 || shares[0] < 400 || shares[0] > 600 {
			return fmt.Errorf("1000 calls were shared as %d, want about half for the first pod, alone in Envoy's zone, and a part for the third", shares)
		}
		return nil
	})
}

// TestZoneWithoutPods has a zone whose name does not exist, like the name of a headless
// Service without pods.
func TestZoneWithoutPods(t *testing.T) {
	t.Parallel()
	p := startZones(t, false, "zone-c")
	if shares := p.take(t, p.dial(t), 100); shares[0]+shares[1] != 100 {
		t.Errorf("100 calls were shared as %d, want all of them for the first two pods, in Envoy's zone", shares)
	}
}

func zoneName(zone string) string { return zone + ".pods.test." }

// startZones has two pods in each of two zones, and further zones without any.
func startZones(t *testing.T, leastRequest bool, further ...string) *pods {
	t.Helper()
	p := &pods{hosts: []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}, dns: startNames(t)}
	backend := probeAt(t, podsName, freePort(t))
	backend.Zones = map[string]string{}
	for _, zone := range append([]string{ownZone, "zone-b"}, further...) {
		backend.Zones[zone] = zoneName(zone)
	}
	p.dns.Set(zoneName(ownZone), p.hosts[:2]...)
	p.dns.Set(zoneName("zone-b"), p.hosts[2:]...)
	for _, host := range p.hosts {
		p.backends = append(p.backends, serve(t, host, backend.Port))
	}
	p.edge = start(t, envoy.Config{
		Backends:     []envoy.Backend{backend},
		LeastRequest: leastRequest,
		Resolvers:    []netip.AddrPort{p.dns.Address},
	})
	return p
}
