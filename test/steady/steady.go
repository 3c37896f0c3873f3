// Package steady calls the edge at an even rate from many clients of every
// protocol, and remembers each call: when it began, how long it took, how it ended
// and how often its client sent it anew.
package steady

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Call is one call, counted once however often its client sent it.
type Call struct {
	// Client is what sent it: one of Protocols.
	Client string
	// Began is when, and Took how long until its status was known.
	Began time.Time
	Took  time.Duration
	// Retries is how often the client's library sent it anew by itself.
	Retries int
	// Err is why it failed; nil if the answer was the right one.
	Err error
}

// Ended is when its status was known.
func (c Call) Ended() time.Time { return c.Began.Add(c.Took) }

// Protocols are the kinds of clients. A call of "stream" is a message and its
// answer on a bidirectional stream, and waits its turn there; a stream that breaks
// fails the call that it has under way, or, if it has none, the one that is next.
// connects is gRPC too, and each call is on a connection of its own: it is what finds
// an Envoy that takes connections before it can serve them, or for longer.
var Protocols = []string{"grpc", "stream", "web", "rest", connects}

const connects = "connect"

// Target is where the clients call.
type Target struct {
	// Address is host:port, and TLS verifies its certificate.
	Address string
	TLS     *tls.Config
}

// Options say how much is called.
type Options struct {
	// Clients are those of each protocol that keeps its connection, of which each has its
	// own. Connecting are those that connect for each call: their handshakes take as much
	// of the machine as all else.
	Clients, Connecting int
	// Interval is between two calls of a client. A call begins when it is due, whatever
	// became of those before, and its time counts from then.
	Interval time.Duration
	// Deadline bounds each call, and is sent with it.
	Deadline time.Duration
	// StreamLife is how long a stream is used before its client half-closes it and
	// opens another.
	StreamLife time.Duration
}

// Default is some 280 calls a second: enough that a tenth of a second without
// answers is seen, and few enough that two cores serve a cluster beside it.
var Default = Options{Clients: 8, Connecting: 2, Interval: 120 * time.Millisecond, Deadline: 3 * time.Second, StreamLife: 4 * time.Second}

func (o Options) clients(protocol string) int {
	if protocol == connects {
		return o.Connecting
	}
	return o.Clients
}

// Rate is how many calls begin in a second.
func (o Options) Rate() float64 {
	clients := 0
	for _, protocol := range Protocols {
		clients += o.clients(protocol)
	}
	return float64(clients) / o.Interval.Seconds()
}

// client makes calls, several at a time.
type client interface {
	call(ctx context.Context) error
	close()
}

// Load is under way from Start to Stop.
type Load struct {
	options Options
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	mu      sync.Mutex
	calls   []Call
}

// Start begins to call.
func Start(ctx context.Context, target Target, o Options) (*Load, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{options: o, cancel: cancel}
	for i, protocol := range Protocols {
		clients := o.clients(protocol)
		for n := range clients {
			c, err := newClient(protocol, target, o, n)
			if err != nil {
				l.Stop()
				return nil, fmt.Errorf("making a client of %s: %w", protocol, err)
			}
			// Clients begin one after the other, so that calls are spread evenly.
			offset := o.Interval * time.Duration(n*len(Protocols)+i) / time.Duration(clients*len(Protocols))
			l.wait.Go(func() { l.repeat(ctx, protocol, c, offset) })
		}
	}
	return l, nil
}

// Stop ends the calling; the calls under way are waited for. All calls are
// returned in the order in which they began.
func (l *Load) Stop() []Call {
	l.cancel()
	l.wait.Wait()
	slices.SortFunc(l.calls, func(a, b Call) int { return a.Began.Compare(b.Began) })
	return l.calls
}

// make makes a call that was due then. When ctx ends it is ended by its deadline all
// the same, so that none fails by our own doing.
func (l *Load) make(ctx context.Context, c client, protocol string, due time.Time) {
	call := Call{Client: protocol, Began: due}
	bounded, cancel := context.WithDeadline(context.WithoutCancel(ctx), due.Add(l.options.Deadline))
	defer cancel()
	bounded, retries := countRetries(bounded)
	call.Err = c.call(bounded)
	call.Took, call.Retries = time.Since(due), int(retries.Load())
	l.add(call)
}

func (l *Load) add(call Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

// repeat calls until ctx ends.
func (l *Load) repeat(ctx context.Context, protocol string, c client, offset time.Duration) {
	defer c.close()
	var calling sync.WaitGroup
	defer calling.Wait()
	for due := time.Now().Add(offset); waitUntil(ctx, due); due = due.Add(l.options.Interval) {
		calling.Go(func() { l.make(ctx, c, protocol, due) })
	}
}

// waitUntil says whether ctx has not ended by then.
func waitUntil(ctx context.Context, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return ctx.Err() == nil
}

// retriesKey is where the context of a call has the number of its retries.
type retriesKey struct{}

func countRetries(ctx context.Context) (context.Context, *atomic.Int32) {
	retries := new(atomic.Int32)
	return context.WithValue(ctx, retriesKey{}, retries), retries
}

func addRetries(ctx context.Context, n int) {
	if retries, ok := ctx.Value(retriesKey{}).(*atomic.Int32); ok {
		retries.Add(int32(n))
	}
}

func newClient(protocol string, target Target, o Options, n int) (client, error) {
	switch protocol {
	case "grpc":
		return newUnary(target, n)
	case "stream":
		return newStream(target, o.StreamLife)
	case "web":
		return newHTTP(target, webBody{}), nil
	case "rest":
		return newHTTP(target, restBody{}), nil
	case connects:
		return connecting{target}, nil
	}
	return nil, fmt.Errorf("there is no protocol %q", protocol)
}
