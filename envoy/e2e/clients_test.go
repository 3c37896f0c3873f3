package e2e

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

// from makes a client connect from this loopback address, over its address family. IPv6 needs
// ::1 on loopback.
func from(address string) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
		return dialFrom(ctx, address, to)
	})
}

func dialFrom(ctx context.Context, address, to string) (net.Conn, error) {
	own := netip.MustParseAddr(address)
	if own.Is6() {
		to = net.JoinHostPort("::1", to[strings.LastIndex(to, ":")+1:])
	}
	dialer := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(own, 0))}
	return dialer.DialContext(ctx, "tcp", to)
}

func ranges(list ...string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range list {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return prefixes
}

// TestClients calls from several addresses, and each time claims another, which is
// allowed.
func TestClients(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.AllowedClients, config.DeniedClients = ranges("127.0.0.0/28", "192.0.2.1/32"), ranges("127.0.0.3/32")
	config.Rules = []envoy.Rule{
		{Service: probe, Method: "Headers"},
		{Service: probe, Clients: ranges("127.0.0.2/31", "192.0.2.1/32")},
	}
	e := start(t, config)
	for _, test := range []struct {
		address, method string
		want            codes.Code
	}{
		{"127.0.0.2", count, codes.OK},
		{"127.0.0.2", headers, codes.OK},
		{"127.0.0.1", count, codes.PermissionDenied}, // by the rule
		{"127.0.0.1", headers, codes.OK},
		{"127.0.0.3", count, codes.PermissionDenied}, // denied
		{"127.0.0.3", headers, codes.PermissionDenied},
		{"127.0.0.17", headers, codes.PermissionDenied}, // not allowed
	} {
		ctx := metadata.AppendToOutgoingContext(callContext(t),
			"x-forwarded-for", "192.0.2.1", "x-real-ip", "192.0.2.1", "forwarded", "for=192.0.2.1", "x-envoy-external-address", "192.0.2.1")
		err := e.dial(t, from(test.address)).Invoke(ctx, test.method, &emptypb.Empty{}, &wrapperspb.StringValue{})
		if status.Code(err) != test.want {
			t.Errorf("%s from %s: %v, want %v", test.method, test.address, err, test.want)
		}
	}
	if got := backend.calls.Load(); got != 1 {
		t.Errorf("%d calls reached %s, want 1", got, count)
	}
	if got, err := e.raw(t, count, web); err != nil || got.status != http.StatusForbidden {
		t.Errorf("a request from 127.0.0.1: %d, %v, want 403", got.status, err)
	}
	for _, counter := range []string{"denied_clients.denied", "allowed_clients.denied", "rule_clients.denied"} {
		if got := e.counter(t, "http.https.rbac."+counter); got == 0 {
			t.Errorf("%s is 0", counter)
		}
	}
}
