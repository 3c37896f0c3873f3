package chassis

import (
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
)

// dnsInterval is the time between a DNS answer and the next query for the pods of a
// called service. It equals Envoy's dnsRefresh.
const dnsInterval = 2 * time.Second

// PollDNS returns an option for connections to the pods of a service, by which they look up its name
// again when the interval has passed since the last answer. [Dial] does so every 2 seconds.
func PollDNS(interval time.Duration) grpc.DialOption {
	return grpc.WithResolvers(pollingDNS{interval})
}

// pollingDNS builds grpc-go's own DNS resolver, and a new one whenever the interval has
// passed since the last one's answer. A headless Service's name lists one address for
// each ready pod. grpc-go looks it up once, and again only when a connection breaks, and
// then not within 30 seconds of the last answer (grpc-go, MinResolutionInterval, which
// can be changed for a whole program only). The connections to known pods do not break
// when others join them.
//
// The other common solution is a server that closes connections now and then
// (MaxConnectionAge). New pods are then found only when connections reach that age, and
// every called service must support it, in whatever language.
type pollingDNS struct{ interval time.Duration }

// Scheme implements resolver.Builder.
func (pollingDNS) Scheme() string { return "dns" }

// Build implements resolver.Builder.
func (p pollingDNS) Build(
	target resolver.Target, connection resolver.ClientConn, options resolver.BuildOptions,
) (resolver.Resolver, error) {
	answers := &answers{ClientConn: connection, come: make(chan struct{}, 1)}
	r := &polledResolver{
		build: func() (resolver.Resolver, error) {
			return resolver.Get(p.Scheme()).Build(target, answers, options)
		},
		interval: p.interval,
		answered: answers.come,
		closed:   make(chan struct{}),
		done:     make(chan struct{}),
	}
	first, err := r.build()
	if err != nil {
		return nil, err
	}
	r.current = first
	go r.poll()
	return r, nil
}

// polledResolver is one resolver after another.
type polledResolver struct {
	build    func() (resolver.Resolver, error)
	interval time.Duration
	answered <-chan struct{}
	closed   chan struct{}     // is closed by Close
	done     chan struct{}     // is closed once no more are built
	current  resolver.Resolver // of poll, and of Close once that is done
}

func (r *polledResolver) poll() {
	defer close(r.done)
	for {
		select {
		case <-r.answered:
		case <-r.closed:
			return
		}
		select {
		case <-time.After(r.interval):
		case <-r.closed:
			return
		}
		r.replace()
	}
}

// replace ends the resolver, whose question is answered, and asks by a new one.
func (r *polledResolver) replace() {
	r.current.Close()
	if next, err := r.build(); err == nil { // the first was built from the same
		r.current = next
	}
}

// ResolveNow implements resolver.Resolver. It does nothing: the next query comes soon.
func (r *polledResolver) ResolveNow(resolver.ResolveNowOptions) {}

// Close implements resolver.Resolver.
func (r *polledResolver) Close() {
	close(r.closed)
	<-r.done
	r.current.Close()
}

// answers passes on answers that differ from the last one. With each answer grpc-go
// resets its count of the failures that stop retries.
type answers struct {
	resolver.ClientConn
	come  chan struct{} // has an element if an answer has come
	known []string      // the addresses of the last answer, sorted; nil if it was not taken
}

func (a *answers) has() {
	select {
	case a.come <- struct{}{}:
	default:
	}
}

// UpdateState implements resolver.ClientConn. It is called by one resolver at a time.
func (a *answers) UpdateState(state resolver.State) error {
	defer a.has()
	addresses := []string{}
	for _, address := range state.Addresses {
		addresses = append(addresses, address.Addr)
	}
	slices.Sort(addresses)
	if a.known != nil && slices.Equal(addresses, a.known) {
		return nil
	}
	err := a.ClientConn.UpdateState(state)
	if a.known = addresses; err != nil {
		a.known = nil
	}
	return err
}

// ReportError implements resolver.ClientConn.
func (a *answers) ReportError(err error) {
	defer a.has()
	a.ClientConn.ReportError(err)
}
