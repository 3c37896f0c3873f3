package e2e

import (
	"testing"
	"time"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/nameserver"
	"example.com/grpc-edge/envoy/prototest"
)

// podsName is a name like that of a headless Service. The final dot keeps Envoy from
// trying it in the search domains of the machine.
const podsName = "pods.test."

// startNames runs a name server until the test ends.
func startNames(t *testing.T) *nameserver.Server {
	t.Helper()
	s, err := nameserver.Start(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// probeAt returns a backend that serves test.Probe at the name and port.
func probeAt(t testing.TB, name string, port uint32) envoy.Backend {
	t.Helper()
	return envoy.Backend{Name: "probe", Address: name, Port: port, Services: prototest.Services(t, probeProto)}
}
