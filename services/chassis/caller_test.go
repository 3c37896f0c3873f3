package chassis

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// TestShares has callers take one after another as much as they get.
func TestShares(t *testing.T) {
	t.Parallel()
	s := &Shares{What: "things", Most: 64}
	for caller, want := range []int{32, 16, 8, 4, 2, 1} {
		got := 0
		for s.Acquire(string(rune('a'+caller)), 1) == nil {
			got++
		}
		if got != want {
			t.Errorf("caller %d holds %d, want %d: as much as is left", caller, got, want)
		}
	}
	three := &Shares{Most: 80, Times: 3}
	for n := range 61 {
		if err := three.Acquire("a", 1); (err == nil) != (n < 60) {
			t.Errorf("taking %d of 80, of which a caller may hold 60: %v", n+1, err)
		}
	}
	s.Release("a", 32)
	if err := s.Acquire("b", 1); err != nil {
		t.Errorf("after another gave back: %v, want no error", err)
	}
	if err := (&Shares{Most: 1}).Acquire("a", 9); err != nil {
		t.Errorf("more than there is, when nothing is held: %v, want no error", err)
	}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ forwarded, peer, want string }{
		{"192.0.2.1", "10.0.0.1:5000", "192.0.2.1"},
		{"::ffff:192.0.2.1", "10.0.0.1:5000", "192.0.2.1"},
		{"2001:db8:0:ab12::1", "10.0.0.1:5000", "2001:db8:0:ab00::/56"},
		{"", "10.0.0.1:5000", "10.0.0.1"},
		{"", "[2001:db8:0:ab12::1]:5000", "2001:db8:0:ab00::/56"},
		{"", "", ""},
	} {
		ctx := context.Background()
		if test.forwarded != "" {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("x-forwarded-for", test.forwarded))
		}
		if test.peer != "" {
			address, err := net.ResolveTCPAddr("tcp", test.peer)
			if err != nil {
				t.Fatal(err)
			}
			ctx = peer.NewContext(ctx, &peer.Peer{Addr: address})
		}
		if got := Caller(ctx); got != test.want {
			t.Errorf("Caller() of %q from %q = %q, want %q", test.forwarded, test.peer, got, test.want)
		}
	}
}
