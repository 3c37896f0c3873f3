// Package report turns what was measured into docs/benchmark.md and its charts.
package report

import (
	"slices"
	"time"

	"example.com/grpc-edge/bench/machine"
)

// Report is one run of the benchmark.
type Report struct {
	Date    time.Time
	Command string
	Machine machine.Description
	// ProxyCPUs and LoadCPUs are those of a proxy, and of clients and backends.
	ProxyCPUs, LoadCPUs string
	Rounds              int
	Window, Warmup      time.Duration
	// Client names the libraries of the client, with versions.
	Client string
	// Content is what a call sends and gets back, in bytes.
	Content int
	// Edge says what is on in this repository's edge with everything on, and Default by default.
	Edge, Default string
	// Notes is text of a person, in Markdown.
	Notes string

	Loads      []Load
	Candidates []Candidate
	Protocols  []Protocol
	// Scales are the edge with few and with many services, under the load ScaleLoad.
	Scales    []Scale
	ScaleLoad string
	// ProtocolLoads are the calls in flight by which Protocols were measured.
	ProtocolLoads []int
}

// Load is how a candidate is called.
type Load struct {
	// Key names it in charts, Title in tables.
	Key, Title string
}

// Kind is what a candidate is to the targets.
type Kind int

// The kinds of candidates.
const (
	Direct  Kind = iota // no proxy
	Edge                // this repository's
	Minimal             // Envoy with the least configuration
	Rival               // another proxy
)

// Candidate is what was measured under each load.
type Candidate struct {
	Kind           Kind
	Title, Version string
	// Wants are the targets; none has no targets.
	Wants []Want
	// Figures are in the order of Report.Loads.
	Figures []Figures
	// Memory is the peak in bytes.
	Memory int64
	// Spread is the calls of one connection that reached the backend with most of
	// them, by those of the one with fewest.
	Spread float64
	// Failed counts calls in all rounds, and Failure is the first.
	Failed  int
	Failure string
}

// Want is a target of an edge: at these loads, by Key, at least this share of another's calls
// a second. Latency in a closed loop is the inverse of throughput, so that p99 may be that much longer.
type Want struct {
	Of    string // Title of the other
	Share float64
	Loads []string
}

// Scale is the edge with so many services.
type Scale struct {
	Title   string
	Figures Figures
	// Memory is the peak in bytes.
	Memory int64
}

// Figures are one window, or the median of each over several.
type Figures struct {
	PerSecond float64
	P50, P99  time.Duration
	// CPU is in seconds for a million calls, and Busy the share of the proxy's CPUs
	// that was used.
	CPU, Busy float64
	// Sent and Received are bytes for a call, at the client.
	Sent, Received float64
}

// Protocol is one way of calling the same method at this repository's edge.
type Protocol struct {
	Title string
	// Figures are in the order of Report.ProtocolLoads.
	Figures []Figures
}

// Median is the middle of each figure over the windows, of which there is at least one.
func Median(windows []Figures) Figures {
	return Figures{
		PerSecond: median(windows, func(f Figures) float64 { return f.PerSecond }),
		P50:       median(windows, func(f Figures) time.Duration { return f.P50 }),
		P99:       median(windows, func(f Figures) time.Duration { return f.P99 }),
		CPU:       median(windows, func(f Figures) float64 { return f.CPU }),
		Busy:      median(windows, func(f Figures) float64 { return f.Busy }),
		Sent:      median(windows, func(f Figures) float64 { return f.Sent }),
		Received:  median(windows, func(f Figures) float64 { return f.Received }),
	}
}

func median[T ~int64 | ~float64](windows []Figures, figure func(Figures) T) T {
	var values []T
	for _, w := range windows {
		values = append(values, figure(w))
	}
	return MedianOf(values)
}

// MedianOf is the middle of the values, or the mean of the two in the middle. There is at least one.
func MedianOf[T ~int64 | ~float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
