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

	"example.com/grpc-edge/bench/edgepage"
	"example.com/grpc-edge/bench/proxy"
	"example.com/grpc-edge/measure/loadgen"
	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report"
)

// connections is the maximum number of connections of one load's clients. 512 calls in flight are
// 64 on each. The edge allows 100.
const connections = 8

// shape describes one load. It has a number of calls in flight: unary, or one on each of as
// many streams.
type shape struct {
	edgepage.Load
	inFlight int
	stream   bool
}

func (s shape) connections() int { return min(s.inFlight, connections) }

var shapes = []shape{
	{edgepage.Load{Key: "1 in flight", Title: "1 in flight"}, 1, false},
	{edgepage.Load{Key: "16", Title: "16 in flight"}, 16, false},
	unary,
	{edgepage.Load{Key: "512", Title: "512 in flight"}, 512, false},
	streams,
}

// protocolLoads lists the numbers of calls in flight for the comparison of gRPC and REST.
var protocolLoads = []int{1, 128}

// candidate describes one way that calls take to the backends: through a proxy, or direct.
type candidate struct {
	key, title string
	kind       edgepage.Kind
	proxy      *proxy.Proxy
	tls        bool
	// scale is for an edge with many services, which is measured under one load only. It is
	// nil for others.
	scale *proxy.Scale
}

func candidates() []candidate {
	list := []candidate{
		{key: "direct", title: "direct, without TLS", kind: edgepage.Direct},
		{key: "direct-tls", title: "direct, TLS", kind: edgepage.Direct, tls: true},
	}
	for _, p := range proxy.All() {
		kind := edgepage.Rival
		switch {
		case strings.HasPrefix(p.Key, "edge"):
			kind = edgepage.Edge
		case p.Key == "minimal":
			kind = edgepage.Minimal
		}
		list = append(list, candidate{key: p.Key, title: p.Title, kind: kind, proxy: &p, tls: true})
	}
	for _, s := range proxy.Scales() {
		list = append(list, candidate{key: s.Key, title: s.Title, kind: edgepage.Edge, proxy: &s.Proxy, tls: true, scale: &s})
	}
	return list
}

// wants returns the targets of an edge against the tutorial's Envoy and nginx. With a single
// call in flight nginx is faster, so there is no target against it (issue 16).
func wants(key string) []edgepage.Want {
	const minimal, nginx = "Envoy as in the tutorial", "nginx"
	calls := []string{"1 in flight", "16", "128", "512"}
	messages := edgepage.Want{Of: minimal, Share: 0.98, Loads: []string{"stream"}}
	switch key {
	case "edge":
		return []edgepage.Want{
			{Of: minimal, Share: 0.95, Loads: calls}, messages,
			{Of: nginx, Share: 1, Loads: append(calls[1:len(calls):len(calls)], "stream")},
		}
	case "edge-everything":
		return []edgepage.Want{{Of: minimal, Share: 0.80, Loads: calls}, messages}
	default:
		return nil
	}
}

// measured holds the results of all rounds for a candidate.
type measured struct {
	figures   [][]edgepage.Figures // for each load, of each round
	protocols [][]edgepage.Figures // for each protocol at each load, of each round
	memory    []int64
	start     []time.Duration // CPU time until ready
	// size and packed are the bytes of the configuration, as it is and gzipped.
	size, packed int64
	spread       []float64
	failed       int
	failure      string
}

func (m *measured) count(r loadgen.Result) {
	if m.failed += r.Failed; m.failure == "" && r.Err != nil {
		m.failure = r.Err.Error()
	}
}

// compare measures all candidates in turn, in rounds.
func compare(ctx context.Context, o options) (edgepage.Results, error) {
	list, err := o.chosen(candidates())
	if err != nil {
		return edgepage.Results{}, err
	}
	description := machine.Describe(len(slices.Compact(slices.Concat(o.loadOn, o.proxyOn))))
	result, err := o.newResults(description)
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
		if c.scale != nil {
			result.Scales = append(result.Scales, edgepage.Scale{
				Title: c.title, Services: c.scale.Services, Last: c.scale.Last,
				Figures: edgepage.Median(all[i].figures[0]), Memory: report.Median(all[i].memory),
				Start: report.Median(all[i].start), Size: all[i].size, Packed: all[i].packed,
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
			edgepage.Candidate{Kind: c.kind, Title: c.title, Version: version, Wants: wants(c.key)}))
		if len(all[i].protocols) > 0 {
			result.Protocols = summarizeProtocols(all[i].protocols)
		}
	}
	return result, nil
}

func (o options) newResults(description machine.Description) (edgepage.Results, error) {
	notes, err := os.ReadFile("notes.md")
	if err != nil {
		return edgepage.Results{}, fmt.Errorf("reading the notes: %w", err)
	}
	r := edgepage.Results{
		Date: time.Now(), Command: o.command, Machine: description,
		ProxyCPUs: o.proxyOn.String(), LoadCPUs: o.loadOn.String(),
		Rounds: o.rounds, Window: o.window, Warmup: o.warmup,
		Client:  fmt.Sprintf("grpc-go %s and net/http, %s", grpc.Version, runtime.Version()),
		Content: len(loadgen.Content), Edge: proxy.EdgeFeatures, Default: proxy.DefaultFeatures, Notes: string(notes),
		ProtocolLoads: protocolLoads, ScaleLoad: unary.Title,
	}
	for _, shape := range shapes {
		r.Loads = append(r.Loads, shape.Load)
	}
	return r, nil
}

func (m measured) summarize(c edgepage.Candidate) edgepage.Candidate {
	for _, windows := range m.figures {
		c.Figures = append(c.Figures, edgepage.Median(windows))
	}
	c.Failed, c.Failure = m.failed, m.failure
	if c.Kind != edgepage.Direct {
		c.Memory, c.Spread = report.Median(m.memory), report.Median(m.spread)
	}
	return c
}

func summarizeProtocols(windows [][]edgepage.Figures) []edgepage.Protocol {
	var list []edgepage.Protocol
	for i, p := range protocols {
		var figures []edgepage.Figures
		for j := range protocolLoads {
			figures = append(figures, edgepage.Median(windows[i*len(protocolLoads)+j]))
		}
		list = append(list, edgepage.Protocol{Title: p.title, Figures: figures})
	}
	return list
}
