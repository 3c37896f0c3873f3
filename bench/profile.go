package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/grpc-edge/bench/edgepage"
	"example.com/grpc-edge/bench/proxy"
	"example.com/grpc-edge/measure/machine"
)

// unary and streams are loads at which the proxy is the bottleneck, and not the client.
var (
	unary   = shape{Load: edgepage.Load{Key: "128", Title: "128 in flight"}, inFlight: 128}
	streams = shape{Load: edgepage.Load{Key: "stream", Title: "stream"}, inFlight: 128, stream: true}
)

// profileEdge measures the edge by default, variants of it, and the tutorial's Envoy.
// The difference between two is the cost of a feature.
func profileEdge(ctx context.Context, o options) (*edgepage.Profile, error) {
	description := machine.Describe(len(o.loadOn) + len(o.proxyOn))
	// Shorter windows: there are many variants.
	o.window, o.warmup = o.window/3, o.warmup/2
	s, err := newStage(o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	variants, err := proxy.Variants(s.identity)
	if err != nil {
		return nil, err
	}
	variants = append(variants, proxy.Minimal())
	turns := turnsOf(len(variants))
	all := make([]measured, len(variants))
	for round := range o.rounds {
		for i := range turns {
			turn := turns[(i+round*len(turns)/o.rounds)%len(turns)]
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, variants[turn].Title)
			if err := s.loads(ctx, candidate{proxy: &variants[turn], tls: true}, &all[turn], unary, streams); err != nil {
				return nil, fmt.Errorf("measuring the edge, %s: %w", variants[turn].Title, err)
			}
		}
	}
	p := &edgepage.Profile{Date: time.Now(), Machine: description, Rounds: o.rounds, Window: o.window}
	unaryBase, streamBase := byRound(all[0].figures[0], o.rounds), byRound(all[0].figures[1], o.rounds)
	for i, variant := range variants {
		unary, stream := all[i].figures[0], all[i].figures[1]
		p.Variants = append(p.Variants, edgepage.Variant{
			Title: variant.Title, Unary: edgepage.Median(unary), Stream: edgepage.Median(stream), Failed: all[i].failed,
			UnaryRatio: edgepage.Ratio(byRound(unary, o.rounds), unaryBase), StreamRatio: edgepage.Ratio(byRound(stream, o.rounds), streamBase),
		})
	}
	return p, nil
}

// turnsOf returns the order of the variants in a round. The first, which all others are compared
// with, has a turn after every six of them: noise in it would be in every difference.
func turnsOf(variants int) []int {
	const between = 6
	var turns []int
	for i := 1; i < variants; i++ {
		if i%between == 1 {
			turns = append(turns, 0)
		}
		turns = append(turns, i)
	}
	return turns
}

// byRound returns the median of each round.
func byRound(windows []edgepage.Figures, rounds int) []edgepage.Figures {
	var list []edgepage.Figures
	for round := range slices.Chunk(windows, len(windows)/rounds) {
		list = append(list, edgepage.Median(round))
	}
	return list
}

// loads measures a candidate once under each of the loads.
func (s *stage) loads(ctx context.Context, c candidate, m *measured, shapes ...shape) error {
	return s.with(ctx, c, func(t *target) error {
		if err := t.loads(ctx, m, shapes); err != nil || c.scale == nil {
			return err
		}
		return t.size(m)
	})
}

// size measures what an edge with many services takes.
func (t *target) size(m *measured) error {
	memory, err := t.process.PeakMemory()
	if err != nil {
		return err
	}
	m.memory, m.start = append(m.memory, memory), append(m.start, t.start)
	if m.size == 0 { // it is the same in each round
		m.size, m.packed, err = proxy.Size(t.dir)
	}
	return err
}

func (t *target) loads(ctx context.Context, m *measured, shapes []shape) error {
	if m.figures == nil {
		m.figures = make([][]edgepage.Figures, len(shapes))
	}
	for i, shape := range shapes {
		figures, err := t.measure(ctx, shape, m)
		if err != nil {
			return fmt.Errorf("%s: %w", shape.Title, err)
		}
		m.figures[i] = append(m.figures[i], figures)
	}
	return nil
}
