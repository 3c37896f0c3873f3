package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"example.com/grpc-edge/bench/load"
	"example.com/grpc-edge/bench/machine"
	"example.com/grpc-edge/bench/proxy"
	"example.com/grpc-edge/bench/report"
)

// connections is the most connections of the clients of one load. 512 calls in flight are
// 64 on each. The edge allows 100.
const connections = 8

// shape describes one load. It has a number of calls in flight: unary, or one on each of as
// many streams.
type shape struct {
	report.Load
	inFlight int
	stream   bool
}

func (s shape) connections() int { return min(s.inFlight, connections) }

var shapes = []shape{
	{report.Load{Key: "1 in flight", Title: "1 in flight"}, 1, false},
	{report.Load{Key: "16", Title: "16 in flight"}, 16, false},
	{report.Load{Key: "128", Title: "128 in flight"}, 128, false},
	{report.Load{Key: "512", Title: "512 in flight"}, 512, false},
	{report.Load{Key: "stream", Title: "stream"}, 128, true},
}

// protocolLoads lists the numbers of calls in flight for the comparison of gRPC and REST.
var protocolLoads = []int{1, 128}

// candidate describes one way that calls take to the backends: through a proxy, or direct.
type candidate struct {
	key, title string
	kind       report.Kind
	proxy      *proxy.Proxy
	tls        bool
	// scale is for an edge with many services, which is measured under one load only.
	scale bool
}

func candidates() []candidate {
	list := []candidate{
		{key: "direct", title: "direct, without TLS", kind: report.Direct},
		{key: "direct-tls", title: "direct, TLS", kind: report.Direct, tls: true},
	}
	for _, p := range proxy.All() {
		kind := report.Rival
		switch {
		case strings.HasPrefix(p.Key, "edge"):
			kind = report.Edge
		case p.Key == "minimal":
			kind = report.Minimal
		}
		list = append(list, candidate{key: p.Key, title: p.Title, kind: kind, proxy: &p, tls: true})
	}
	for _, p := range proxy.Scales() {
		list = append(list, candidate{key: p.Key, title: p.Title, kind: report.Edge, proxy: &p, tls: true, scale: true})
	}
	return list
}

// wants returns the targets of an edge against the tutorial's Envoy and nginx. With a single
// call in flight nginx is faster, so there is no target against it (issue 16).
func wants(key string) []report.Want {
	const minimal, nginx = "Envoy as in the tutorial", "nginx"
	unary := []string{"1 in flight", "16", "128", "512"}
	streams := report.Want{Of: minimal, Share: 0.98, Loads: []string{"stream"}}
	switch key {
	case "edge":
		return []report.Want{
			{Of: minimal, Share: 0.95, Loads: unary}, streams,
			{Of: nginx, Share: 1, Loads: append(unary[1:len(unary):len(unary)], "stream")},
		}
	case "edge-everything":
		return []report.Want{{Of: minimal, Share: 0.80, Loads: unary}, streams}
	default:
		return nil
	}
}

// measured holds the results of all rounds for a candidate.
type measured struct {
	figures   [][]report.Figures // for each load, of each round
	protocols [][]report.Figures // for each protocol at each load, of each round
	memory    []int64
	spread    []float64
	failed    int
	failure   string
}

func (m *measured) count(r load.Result) {
	if m.failed += r.Failed; m.failure == "" && r.Err != nil {
		m.failure = r.Err.Error()
	}
}

// compare measures all candidates in turn, in rounds.
func compare(ctx context.Context, o options) (report.Report, error) {
	list, err := o.chosen(candidates())
	if err != nil {
		return report.Report{}, err
	}
	description := machine.Describe(len(slices.Compact(slices.Concat(o.loadOn, o.proxyOn))))
	result, err := o.newReport(description)
	if err != nil {
		return result, err
	}
	s, err := newStage(o)
	if err != nil {
		return result, err
	}
	defer s.close()
	all := make([]measured, len(list))
	for round := range o.rounds {
		for i := range list {
			// Rotate the order, so that other work of the machine hits another candidate in
			// each round.
			turn := (i + round) % len(list)
			fmt.Printf("round %d of %d: %s\n", round+1, o.rounds, list[turn].title)
			if err := s.turn(ctx, list[turn], &all[turn]); err != nil {
				return result, fmt.Errorf("measuring %s: %w", list[turn].title, err)
			}
		}
	}
	for i, c := range list {
		if c.scale {
			result.Scales = append(result.Scales, report.Scale{
				Title: c.title, Figures: report.Median(all[i].figures[0]), Memory: report.MedianOf(all[i].memory),
			})
			continue
		}
		version := "–"
		if c.proxy != nil {
			if version, err = c.proxy.Version(); err != nil {
				return result, err
			}
		}
		result.Candidates = append(result.Candidates, all[i].summarize(
			report.Candidate{Kind: c.kind, Title: c.title, Version: version, Wants: wants(c.key)}))
		if len(all[i].protocols) > 0 {
			result.Protocols = summarizeProtocols(all[i].protocols)
		}
	}
	return result, nil
}

func (o options) newReport(description machine.Description) (report.Report, error) {
	notes, err := os.ReadFile("notes.md")
	if err != nil {
		return report.Report{}, fmt.Errorf("reading the notes: %w", err)
	}
	r := report.Report{
		Date: time.Now(), Command: o.command, Machine: description,
		ProxyCPUs: o.proxyOn.String(), LoadCPUs: o.loadOn.String(),
		Rounds: o.rounds, Window: o.window, Warmup: o.warmup,
		Client:  fmt.Sprintf("grpc-go %s and net/http, %s", grpc.Version, runtime.Version()),
		Content: len(load.Content), Edge: proxy.EdgeFeatures, Default: proxy.DefaultFeatures, Notes: string(notes),
		ProtocolLoads: protocolLoads, ScaleLoad: profileShape.Title,
	}
	for _, shape := range shapes {
		r.Loads = append(r.Loads, shape.Load)
	}
	return r, nil
}

func (m measured) summarize(c report.Candidate) report.Candidate {
	for _, windows := range m.figures {
		c.Figures = append(c.Figures, report.Median(windows))
	}
	c.Failed, c.Failure = m.failed, m.failure
	if c.Kind != report.Direct {
		c.Memory, c.Spread = report.MedianOf(m.memory), report.MedianOf(m.spread)
	}
	return c
}

func summarizeProtocols(windows [][]report.Figures) []report.Protocol {
	var list []report.Protocol
	for i, p := range protocols {
		var figures []report.Figures
		for j := range protocolLoads {
			figures = append(figures, report.Median(windows[i*len(protocolLoads)+j]))
		}
		list = append(list, report.Protocol{Title: p.title, Figures: figures})
	}
	return list
}
