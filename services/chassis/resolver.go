package chassis

import (
	"slices"
	"time"

	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/dns"
)

// dnsInterval is how often the pods of a called service are asked for, in DNS. It is
// Envoy's dnsRefresh.
const dnsInterval = 2 * time.Second

func init() {
	// grpc-go's resolver asks again only when a connection breaks, and then not within
	// 30 seconds of the last answer (grpc-go, MinResolutionInterval). It can be
	// changed for the whole program only, and before any use.
	dns.SetMinResolutionInterval(dnsInterval)
}

// pollingDNS builds grpc-go's own DNS resolver, and has it ask again every
// dnsInterval. A headless Service's name lists one address for each ready pod, and
// the connections to those that are known do not break when others join them.
//
// The other known way is a server that closes connections now and then
// (MaxConnectionAge). It finds pods as late as connections get old, and
// asks every called service for it, whatever that is written in.
type pollingDNS struct{}

// Scheme implements resolver.Builder.
func (pollingDNS) Scheme() string { return "dns" }

// Build implements resolver.Builder.
func (p pollingDNS) Build(
	target resolver.Target, connection resolver.ClientConn, options resolver.BuildOptions,
) (resolver.Resolver, error) {
	asked, err := resolver.Get(p.Scheme()).Build(target, &changes{ClientConn: connection}, options)
	if err != nil {
		return nil, err
	}
	polled := &polledResolver{Resolver: asked, closed: make(chan struct{})}
	go polled.poll()
	return polled, nil
}

type polledResolver struct {
	resolver.Resolver
	closed chan struct{}
}

func (r *polledResolver) poll() {
	ticker := time.NewTicker(dnsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.ResolveNow(resolver.ResolveNowOptions{})
		case <-r.closed:
			return
		}
	}
}

// Close implements resolver.Resolver.
func (r *polledResolver) Close() {
	close(r.closed)
	r.Resolver.Close()
}

// changes passes on answers that differ from the last one. With each that it is
// given, grpc-go begins anew to count the failures that stop calls from being tried again.
type changes struct {
	resolver.ClientConn
	known []string // the addresses of the last answer, sorted; nil if it was not taken
}

// UpdateState implements resolver.ClientConn. It is called by one goroutine.
func (c *changes) UpdateState(state resolver.State) error {
	addresses := []string{}
	for _, address := range state.Addresses {
		addresses = append(addresses, address.Addr)
	}
	slices.Sort(addresses)
	if c.known != nil && slices.Equal(addresses, c.known) {
		return nil
	}
	err := c.ClientConn.UpdateState(state)
	if c.known = addresses; err != nil {
		c.known = nil
	}
	return err
}
