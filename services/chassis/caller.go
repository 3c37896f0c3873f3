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

// Take adds n to what a caller holds, until [Shares.Give]. If less is left for it, the error is
// RESOURCE_EXHAUSTED. Who holds nothing may take more than its share.
func (s *Shares) Take(caller string, n int) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.held > 0 && s.held+n > s.Most {
		return status.Errorf(codes.ResourceExhausted, "%d of %d %s are in use, and this call needs %d; try again later", s.held, s.Most, s.What, n)
	}
	if held := s.byCaller[caller]; caller != "" && held > 0 && held+n > s.Each {
		return status.Errorf(codes.ResourceExhausted, "your address holds %d %s of the %d that it may hold, and this call needs %d", held, s.What, s.Each, n)
	}
	if s.byCaller == nil {
		s.byCaller = map[string]int{}
	}
	s.held += n
	s.byCaller[caller] += n
	return nil
}

// Give takes n from what a caller holds.
func (s *Shares) Give(caller string, n int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.held -= n
	if s.byCaller[caller] -= n; s.byCaller[caller] == 0 {
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
