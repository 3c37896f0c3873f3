package chassis

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Shares counts what callers hold, and divides what there is: no caller may hold more than Times what
// is left. With a Times of 1, a single caller holds some half of Most, and each of n that want all
// of it gets an equal part, as large as what stays free for the next ("Dynamic Queue Length
// Thresholds for Shared-Memory Packet Switches").
type Shares struct {
	// What names what is held, in the plural.
	What string
	Most int
	// Times is 1 by default.
	Times int

	mutex    sync.Mutex
	held     int
	byCaller map[string]int
}

// Acquire adds n to what a caller holds, until [Shares.Release]. If less is left for it, the error is
// RESOURCE_EXHAUSTED. If nothing is held, any n is taken.
func (s *Shares) Acquire(caller string, n int) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if own := s.byCaller[caller]; s.held > 0 && own+n > max(s.Times, 1)*(s.Most-s.held) {
		return status.Errorf(codes.ResourceExhausted, "%d of %d %s are in use, %d by your address, which may not have %d more now", s.held, s.Most, s.What, own, n)
	}
	if s.byCaller == nil {
		s.byCaller = map[string]int{}
	}
	s.held += n
	s.byCaller[caller] += n
	return nil
}

// Release takes n from what a caller holds.
func (s *Shares) Release(caller string, n int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.held -= n
	if s.byCaller[caller] -= n; s.byCaller[caller] == 0 {
		delete(s.byCaller, caller)
	}
}

// Caller returns the address from which the edge got a call, or the network of an IPv6 address: a
// home may have a /56 (RIPE-690, section 4.2). For a call that does not come through the edge, it is
// the address of the pod. The edge sets x-forwarded-for, and drops it from clients' requests.
func Caller(ctx context.Context) string {
	if r, ok := ctx.Value(arrivalKey{}).(*arrival); ok {
		return r.caller
	}
	return caller(ctx, metadata.ValueFromIncomingContext(ctx, forwardedFor))
}

const forwardedFor = "x-forwarded-for"

func caller(ctx context.Context, forwarded []string) string {
	if len(forwarded) > 0 {
		return network(forwarded[0])
	}
	from, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(from.Addr.String())
	if err != nil {
		return from.Addr.String()
	}
	return network(host)
}

// network returns an address of IPv4 as it is, and of IPv6 the /56.
func network(text string) string {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if address = address.Unmap(); address.Is6() {
		home, _ := address.Prefix(56) // of an IPv6 address
		return home.String()
	}
	return address.String()
}
