package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/grpc-edge/bench/backend"
	"example.com/grpc-edge/bench/edgepage"
	"example.com/grpc-edge/bench/proxy"
	"example.com/grpc-edge/measure/loadgen"
)

// stage holds what all candidates share: options, identity and backends.
type stage struct {
	options
	identity *proxy.Identity
	backends *backend.Set
}

func newStage(o options) (*stage, error) {
	identity, err := proxy.NewIdentity()
	if err != nil {
		return nil, err
	}
	backends, err := backend.Start(identity.ServerTLS())
	return &stage{o, identity, backends}, err
}

func (s *stage) close() { s.backends.Close() }

// target is a candidate that is running.
type target struct {
	stage     *stage
	tls       bool
	addresses []string
	process   *proxy.Process // nil without a proxy
	dir       string         // of the proxy's files
	start     time.Duration  // the proxy's CPU time until it was ready
}

// with starts the candidate's proxy, if any, calls use, and stops the proxy.
func (s *stage) with(ctx context.Context, c candidate, use func(*target) error) (err error) {
	t := &target{stage: s, tls: c.tls, addresses: s.backends.Addresses()}
	if c.tls {
		t.addresses = s.backends.TLSAddresses()
	}
	if c.proxy == nil {
		return use(t)
	}
	dir, err := os.MkdirTemp("", "grpc-edge-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	t.process, err = c.proxy.Start(proxy.Setting{
		Dir: dir, Identity: s.identity,
		Name: backend.Name, Resolver: s.backends.Resolver, BackendPort: s.backends.Port, Backends: s.backends.Addresses(),
	}, s.proxyOn)
	if err != nil {
		return err
	}
	t.addresses, t.dir = []string{t.process.Address}, dir
	used := t.ready(ctx)
	if used == nil {
		t.start, used = t.process.CPUTime()
	}
	if used == nil {
		used = use(t)
	}
	log, err := t.process.Stop()
	if used != nil && log != "" {
		used = fmt.Errorf("%w\nThe proxy's log:\n%s", used, log)
	}
	return errors.Join(used, err)
}

// readyLimit bounds the wait for a proxy. It usually takes a second or two.
const readyLimit = 30 * time.Second

// ready waits until calls reach every backend.
func (t *target) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	t.stage.backends.Counts()
	reached := make([]int64, len(t.stage.backends.Addresses()))
	for {
		result, err := t.tryCalls(ctx)
		if err != nil {
			return err
		}
		for i, n := range t.stage.backends.Counts() {
			reached[i] += n
		}
		if result.Failed == 0 && slices.Min(reached) > 0 {
			return nil
		}
		if err := errors.Join(t.process.Ended(), ctx.Err()); err != nil {
			return fmt.Errorf("waiting until calls reach every backend: %w; calls so far: %d, the last error: %w", err, reached, result.Err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// tryCalls makes a few calls on a new connection, which has no backoff from an earlier
// failure to connect.
func (t *target) tryCalls(ctx context.Context) (loadgen.Result, error) {
	client, err := t.dial(1)
	if err != nil {
		return loadgen.Result{}, err
	}
	defer client.Close()
	return loadgen.Run(ctx, client.Unary(1), 20*time.Millisecond), nil
}

func (t *target) dial(connections int) (*loadgen.GRPC, error) {
	if !t.tls {
		return loadgen.DialGRPC(connections, nil, t.addresses...)
	}
	return loadgen.DialGRPC(connections, t.stage.identity.ClientTLS(), t.addresses...)
}

// turn measures a candidate once under every load.
func (s *stage) turn(ctx context.Context, c candidate, m *measured) error {
	if c.scale != nil {
		return s.loads(ctx, c, m, unary)
	}
	return s.with(ctx, c, func(t *target) error {
		if err := t.loads(ctx, m, shapes); err != nil {
			return err
		}
		if c.proxy == nil {
			return nil
		}
		if err := t.spread(ctx, m); err != nil {
			return err
		}
		if c.key == "edge" {
			if err := t.compareProtocols(ctx, m); err != nil {
				return err
			}
		}
		memory, err := t.process.PeakMemory()
		m.memory = append(m.memory, memory)
		return err
	})
}

// measure measures one load.
func (t *target) measure(ctx context.Context, shape shape, m *measured) (edgepage.Figures, error) {
	client, err := t.dial(shape.connections())
	if err != nil {
		return edgepage.Figures{}, err
	}
	defer client.Close()
	// The timeout ends streams, even if the proxy does not answer.
	ctx, cancel := context.WithTimeout(ctx, t.stage.warmup+t.stage.window+readyLimit)
	defer cancel()
	callers := client.Unary(shape.inFlight)
	if shape.stream {
		if callers, err = client.Streams(ctx, shape.inFlight); err != nil {
			return edgepage.Figures{}, err
		}
	}
	return t.window(ctx, callers, &client.Traffic, m)
}

// window makes calls to warm up, and then measures one window.
func (t *target) window(ctx context.Context, callers []loadgen.Caller, traffic *loadgen.Traffic, m *measured) (edgepage.Figures, error) {
	m.count(loadgen.Run(ctx, callers, t.stage.warmup))
	sent, received := traffic.Sent.Load(), traffic.Received.Load()
	before, err := t.cpuTime()
	if err != nil {
		return edgepage.Figures{}, err
	}
	result := loadgen.Run(ctx, callers, t.stage.window)
	after, err := t.cpuTime()
	m.count(result)
	switch {
	case err != nil:
		return edgepage.Figures{}, err
	case ctx.Err() != nil:
		return edgepage.Figures{}, ctx.Err()
	case result.Calls == 0:
		return edgepage.Figures{}, fmt.Errorf("no call of %d was answered: %w", result.Failed, result.Err)
	}
	calls, cpu := float64(result.Calls), (after - before).Seconds()
	return edgepage.Figures{
		PerSecond: result.PerSecond(), P50: result.P50, P99: result.P99,
		CPU: cpu / calls * 1e6, Busy: cpu / result.Elapsed.Seconds() / float64(len(t.stage.proxyOn)),
		Sent:     float64(traffic.Sent.Load()-sent) / calls,
		Received: float64(traffic.Received.Load()-received) / calls,
	}, nil
}

func (t *target) cpuTime() (time.Duration, error) {
	if t.process == nil {
		return 0, nil
	}
	return t.process.CPUTime()
}

// spread makes calls on one connection, and measures how evenly they reach the backends.
func (t *target) spread(ctx context.Context, m *measured) error {
	client, err := t.dial(1)
	if err != nil {
		return err
	}
	defer client.Close()
	t.stage.backends.Counts()
	m.count(loadgen.Run(ctx, client.Unary(16), t.stage.window/3))
	counts := t.stage.backends.Counts()
	m.spread = append(m.spread, float64(slices.Max(counts))/float64(max(1, slices.Min(counts))))
	return nil
}

// protocol describes a way to call the same method.
type protocol struct {
	title string
	rest  bool
	http2 bool
}

var protocols = []protocol{
	{"gRPC", false, true},
	{"REST over HTTP/2", true, true},
	{"REST over HTTP/1.1", true, false},
}

// compareProtocols measures the edge with each protocol.
func (t *target) compareProtocols(ctx context.Context, m *measured) error {
	if m.protocols == nil {
		m.protocols = make([][]edgepage.Figures, len(protocols)*len(protocolLoads))
	}
	for i, p := range protocols {
		for j, inFlight := range protocolLoads {
			figures, err := t.measureProtocol(ctx, p, inFlight, m)
			if err != nil {
				return fmt.Errorf("%s, %d in flight: %w", p.title, inFlight, err)
			}
			at := i*len(protocolLoads) + j
			m.protocols[at] = append(m.protocols[at], figures)
		}
	}
	return nil
}

func (t *target) measureProtocol(ctx context.Context, p protocol, inFlight int, m *measured) (edgepage.Figures, error) {
	if !p.rest {
		return t.measure(ctx, shape{inFlight: inFlight}, m)
	}
	client := loadgen.DialREST(p.http2, min(inFlight, connections), t.stage.identity.ClientTLS(), t.addresses[0])
	defer client.Close()
	return t.window(ctx, client.Unary(inFlight), &client.Traffic, m)
}
