package nameserver

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"
)

// TestServer checks that the server answers with the newest records of the name.
func TestServer(t *testing.T) {
	t.Parallel()
	s, err := Start(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", s.Address.String())
	}}
	s.Set("other.test.", "127.0.0.9")
	for _, want := range [][]string{{"127.0.0.2", "127.0.0.3"}, {"127.0.0.4"}, nil} {
		s.Set("pods.test.", want...)
		got, err := resolver.LookupHost(t.Context(), "pods.test.")
		if slices.Sort(got); !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("pods.test. is at %v (%v), want %v", got, err, want)
		}
	}
}
