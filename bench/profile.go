package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"example.com/grpc-edge/bench/page"
	"example.com/grpc-edge/bench/proxy"
)

// profileShape is a load at which the proxy is the bottleneck, and not the client.
var profileShape = shape{Load: page.Load{Key: "128", Title: "128 in flight"}, inFlight: 128}

// profileEdge measures the edge with everything on, and then without each feature in turn.
// The difference is the cost of the feature.
func profileEdge(ctx context.Context, o options) error {
	// More rounds, each shorter: there are many variants, and their differences are small.
	o.window = o.window / 2
	s, err := newStage(o)
	if err != nil {
		return err
	}
	defer s.close()
	changes, err := proxy.Changes(s.identity)
	if err != nil {
		return err
	}
	variants := []candidate{{title: "everything on"}}
	for _, change := range changes {
		variants = append(variants, candidate{title: change.Name})
	}
	for i := range variants {
		edge := proxy.Edge(nil)
		if i > 0 {
			edge = proxy.Edge(&changes[i-1])
		}
		variants[i].proxy, variants[i].tls = &edge, true
	}
	for _, c := range candidates() {
		if c.kind == page.Minimal {
			variants = append(variants, c)
		}
	}
	all := make([]measured, len(variants))
	for round := range o.rounds {
		for i := range variants {
			turn := (i + round*len(variants)/o.rounds) % len(variants)
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, variants[turn].title)
			if err := s.profileTurn(ctx, variants[turn], &all[turn]); err != nil {
				return fmt.Errorf("measuring the edge, %s: %w", variants[turn].title, err)
			}
		}
	}
	return printProfile(variants, all)
}

func (s *stage) profileTurn(ctx context.Context, c candidate, m *measured) error {
	return s.with(ctx, c, func(t *target) error {
		figures, err := t.measure(ctx, profileShape, m)
		if m.figures == nil {
			m.figures = make([][]page.Figures, 1)
		}
		m.figures[0] = append(m.figures[0], figures)
		if err != nil {
			return err
		}
		memory, err := t.process.PeakMemory()
		m.memory = append(m.memory, memory)
		return err
	})
}

// printProfile compares each variant with the first.
func printProfile(variants []candidate, all []measured) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(table, "%d calls in flight\tcalls/s\tof everything on\tp99\tCPU s/million\tof everything on\tfailed\n", profileShape.inFlight)
	base := page.Median(all[0].figures[0])
	for i, variant := range variants {
		f := page.Median(all[i].figures[0])
		fmt.Fprintf(table, "%s\t%.0f\t%.3f\t%v\t%.2f\t%.3f\t%d\n", variant.title, f.PerSecond, f.PerSecond/base.PerSecond,
			f.P99.Round(10*time.Microsecond), f.CPU, f.CPU/base.CPU, all[i].failed)
	}
	return table.Flush()
}
