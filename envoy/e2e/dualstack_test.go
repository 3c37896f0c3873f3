package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

// loopbackIPv6 tells Linux whether loopback is without IPv6.
const loopbackIPv6 = "/proc/sys/net/ipv6/conf/lo/disable_ipv6"

// TestMain turns IPv6 of loopback on while the tests run: many containers have it off.
func TestMain(m *testing.M) {
	before, err := os.ReadFile(loopbackIPv6)
	off := err == nil && strings.TrimSpace(string(before)) == "1"
	if off {
		err = os.WriteFile(loopbackIPv6, []byte("0"), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loopback has no IPv6, which some tests need:", err)
	}
	code := m.Run()
	if off {
		_ = os.WriteFile(loopbackIPv6, before, 0o600)
	}
	os.Exit(code)
}

// TestDualStack calls by both families. A range of IPv4 matches clients of IPv4, whose
// addresses arrive mapped, and a range of IPv6 those of IPv6.
func TestDualStack(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.DualStack = true
	config.AllowedClients, config.DeniedClients = ranges("127.0.0.0/28", "::/64"), ranges("127.0.0.3/32")
	config.Rules = []envoy.Rule{
		{Service: probe, Method: "Headers"},
		{Service: probe, Clients: ranges("127.0.0.2/32")},
	}
	e := start(t, config)
	for _, test := range []struct {
		address, method string
		want            codes.Code
	}{
		{"127.0.0.2", count, codes.OK},
		{"127.0.0.1", count, codes.PermissionDenied}, // by the rule
		{"127.0.0.1", headers, codes.OK},
		{"127.0.0.3", headers, codes.PermissionDenied},  // denied
		{"127.0.0.17", headers, codes.PermissionDenied}, // not allowed
		{"::1", headers, codes.OK},
		{"::1", count, codes.PermissionDenied}, // by the rule
	} {
		err := e.dial(t, from(test.address)).Invoke(callContext(t), test.method, &emptypb.Empty{}, &wrapperspb.StringValue{})
		if status.Code(err) != test.want {
			t.Errorf("%s from %s: %v, want %v", test.method, test.address, err, test.want)
		}
	}
}

// TestDeniedIPv6 denies a range of IPv6, and with it no client of IPv4.
func TestDeniedIPv6(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.DualStack, config.DeniedClients = true, ranges("::/64")
	e := start(t, config)
	if err := callCount(t.Context(), e.dial(t, from("::1"))); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a call from ::1: %v, want PERMISSION_DENIED", err)
	}
	if err := callCount(t.Context(), e.dial(t, from("127.0.0.1"))); err != nil {
		t.Errorf("a call from 127.0.0.1: %v", err)
	}
}

// TestDualStackAddresses checks the addresses of clients in the header that a backend gets,
// and in the access log. The address of an IPv4 client is not mapped.
func TestDualStackAddresses(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.DualStack = true
	e := start(t, config)
	for address, logged := range map[string]string{"127.0.0.2": "127.0.0.2:", "::1": "[::1]:"} {
		var reply wrapperspb.StringValue
		if err := e.dial(t, from(address)).Invoke(callContext(t), headers, &emptypb.Empty{}, &reply); err != nil {
			t.Fatalf("a call from %s: %v", address, err)
		}
		// In x-forwarded-for, Envoy writes its own address in place of one of loopback.
		if want := "\nx-envoy-external-address: " + address + "\n"; !strings.Contains("\n"+reply.Value, want) {
			t.Errorf("the backend did not receive %q:\n%s", want, reply.Value)
		}
		e.logged(t, `"client":"`+logged)
	}
}

// TestDualStackClientRate counts the clients of both families apart.
func TestDualStackClientRate(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.DualStack, config.ClientRate = true, envoy.Rate{PerSecond: 1, Burst: 30}
	e := start(t, config)
	for _, address := range []string{"127.0.0.2", "127.0.0.3", "::1"} {
		if got := taken(t, e.dial(t, from(address)), count); !within(got, 30) {
			t.Errorf("of %s %d calls were answered, want 30", address, got)
		}
	}
}

// TestDualStackPorts checks that only clients reach Envoy by IPv6, and only with DualStack.
func TestDualStackPorts(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	single := start(t, config)
	config.DualStack = true
	dual := start(t, config)
	for port, open := range map[uint32]bool{
		dual.config.HTTPSPort: true, dual.config.MetricsPort: false, dual.config.ReadyPort: false, dual.config.AdminPort: false,
		single.config.HTTPSPort: false,
	} {
		connection, err := net.Dial("tcp6", fmt.Sprintf("[::1]:%d", port))
		if err == nil {
			_ = connection.Close()
		}
		if (err == nil) != open {
			t.Errorf("connecting to port %d by IPv6: %v, want it open: %v", port, err, open)
		}
	}
	if err := dual.expectMetrics(fmt.Sprintf(`envoy_listener_downstream_cx_active{envoy_listener_address="[__]_%d"} `, dual.config.HTTPSPort)); err != nil {
		t.Error(err)
	}
}
