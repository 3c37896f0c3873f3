package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// ports remembers which were given out. Envoy listens with SO_REUSEPORT, so two
// of them on one port would share its connections and notice nothing.
var ports sync.Map

// freePort finds a port that is free on all addresses. It lies below the range
// from which Linux takes the ports of outgoing connections (32768 to 60999,
// net.ipv4.ip_local_port_range), or it might be gone before it is used.
func freePort(t *testing.T) uint32 {
	t.Helper()
	for range 1000 {
		port := 10_000 + rand.Uint32N(20_000)
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		_ = listener.Close()
		if _, taken := ports.LoadOrStore(port, true); !taken {
			return port
		}
	}
	t.Fatal("no free TCP port from 10000 to 29999")
	return 0
}
