package chassis

import (
	"context"
	"net/netip"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Shares counts what callers hold, and bounds what all of them may, and each. A call that has no
// [Caller] has no share of its own.
type Shares struct {
	// What names what is held, in the plural.
	What       string
	Most, Each int

	mutex    sync.Mutex
	held     int
	byCaller map[string]int
}

// Take adds one to what a caller holds, until [Shares.Give]. If nothing is left for it, the error is
// RESOURCE_EXHAUSTED.
func (s *Shares) Take(caller string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.held >= s.Most {
		return status.Errorf(codes.ResourceExhausted, "all %d %s are in use", s.Most, s.What)
	}
	if caller != "" && s.byCaller[caller] >= s.Each {
		return status.Errorf(codes.ResourceExhausted, "your address holds %d %s, and may hold no more", s.Each, s.What)
	}
	if s.byCaller == nil {
		s.byCaller = map[string]int{}
	}
	s.held++
	s.byCaller[caller]++
	return nil
}

// Give takes one from what a caller holds.
func (s *Shares) Give(caller string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.held--
	if s.byCaller[caller]--; s.byCaller[caller] == 0 {
		delete(s.byCaller, caller)
	}
}

// Caller returns the address from which the edge got a call, or the network of an IPv6 address: a
// site gets at least a /64 (RFC 6177). It is empty for calls that do not come through the edge,
// which drops this header from what clients send.
func Caller(ctx context.Context) string {
	headers, _ := metadata.FromIncomingContext(ctx)
	return caller(headers)
}

func caller(headers metadata.MD) string {
	values := headers.Get("x-forwarded-for")
	if len(values) == 0 {
		return ""
	}
	address, err := netip.ParseAddr(values[0])
	if err != nil {
		return values[0]
	}
	if address = address.Unmap(); address.Is6() {
		network, _ := address.Prefix(64) // of an IPv6 address
		return network.String()
	}
	return address.String()
}
