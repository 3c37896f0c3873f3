package loadgen

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options describes the load.
type Options struct {
	// Clients is the number of clients of each protocol that keeps connections. Each client
	// has its own connection. Connecting is the number of clients that connect for each
	// call. Their handshakes take as much CPU as all other calls.
	Clients, Connecting int
	// Interval is the time between two calls of a client. A call begins when it is due,
	// whether or not those before were answered. Its latency counts from then.
	Interval time.Duration
	// Deadline bounds each call, and is sent with it.
	Deadline time.Duration
	// StreamLife is the age at which a client half-closes its stream and opens another.
	StreamLife time.Duration
}

// Default makes some 280 calls a second. That is enough to see a tenth of a second without
// answers. It is low enough for two cores that run the cluster too.
var Default = Options{Clients: 8, Connecting: 2, Interval: 120 * time.Millisecond, Deadline: 3 * time.Second, StreamLife: 4 * time.Second}

func (o Options) clients(protocol string) int {
	if protocol == connects {
		return o.Connecting
	}
	return o.Clients
}

// Rate returns the number of calls a second.
func (o Options) Rate() float64 {
	clients := 0
	for _, protocol := range Protocols {
		clients += o.clients(protocol)
	}
	return float64(clients) / o.Interval.Seconds()
}

// Caller makes one call, waits for its answer, and checks it. Several may be in flight.
type Caller func(ctx context.Context) error

// client makes calls of one protocol.
type client struct {
	call  Caller
	close func()
}

func closeAll(clients []client) {
	for _, c := range clients {
		c.close()
	}
}

// Load makes calls, and records them, from its start to Stop.
type Load struct {
	options Options
	cancel  context.CancelFunc
	wait    sync.WaitGroup
	mu      sync.Mutex
	calls   []Call
}

// Start starts clients of every protocol, which call at a steady rate.
func Start(ctx context.Context, target Target, o Options) (*Load, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{options: o, cancel: cancel}
	for i, protocol := range Protocols {
		clients := o.clients(protocol)
		for n := range clients {
			c, err := newProtocol(protocol, target, o, n)
			if err != nil {
				l.Stop()
				return nil, fmt.Errorf("creating a client of %s: %w", protocol, err)
			}
			// Clients start one after the other, so that calls are spread evenly.
			offset := o.Interval * time.Duration(n*len(Protocols)+i) / time.Duration(clients*len(Protocols))
			l.wait.Go(func() { l.repeat(ctx, protocol, c, offset) })
		}
	}
	return l, nil
}

// Stop stops the clients and waits for the calls in flight. It returns all calls in the
// order in which they began.
func (l *Load) Stop() []Call {
	l.cancel()
	l.wait.Wait()
	slices.SortFunc(l.calls, func(a, b Call) int { return a.Began.Compare(b.Began) })
	return l.calls
}

// make makes a call that was due at due, and records it. The end of ctx does not cancel
// the call, only its deadline does: otherwise the load itself would cause failures.
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

// repeat makes a call at each interval until ctx ends.
func (l *Load) repeat(ctx context.Context, protocol string, c client, offset time.Duration) {
	defer c.close()
	var calling sync.WaitGroup
	defer calling.Wait()
	for due := time.Now().Add(offset); waitUntil(ctx, due); due = due.Add(l.options.Interval) {
		calling.Go(func() { l.make(ctx, c, protocol, due) })
	}
}

// waitUntil waits until due. It reports whether ctx is still alive.
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

// retriesKey is the context key of the number of a call's retries.
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

func newProtocol(protocol string, target Target, o Options, n int) (client, error) {
	switch protocol {
	case "grpc":
		return newUnary(target, n)
	case "stream":
		return newStream(target, o.StreamLife)
	case "web":
		return newHTTP(target, webBody{}), nil
	case "rest":
		return newHTTP(target, restBody{"/v1/echo", content, content}), nil
	case connects:
		return connecting(target), nil
	}
	return client{}, fmt.Errorf("there is no protocol %q", protocol)
}
