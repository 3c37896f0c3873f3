package edgepage

import (
	"time"

	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report"
)

// Results holds the results of one run of the benchmark.
type Results struct {
	Date    time.Time
	Command string
	Machine machine.Description
	// ProxyCPUs lists the CPUs of a proxy, and LoadCPUs those of clients and backends.
	ProxyCPUs, LoadCPUs string
	Rounds              int
	Window, Warmup      time.Duration
	// Client names the libraries of the client, with versions.
	Client string
	// Content is the size of a request and of an answer, in bytes.
	Content int
	// Edge describes the features of this repository's edge with everything on, and Default
	// those by default.
	Edge, Default string
	// Notes is text by a person, in Markdown.
	Notes string

	Loads      []Load
	Candidates []Candidate
	Protocols  []Protocol
	// Scales holds the edge with few and with many services, under the load ScaleLoad.
	Scales    []Scale
	ScaleLoad string
	// ProtocolLoads lists the numbers of calls in flight for Protocols.
	ProtocolLoads []int
	// Profile is nil until it is measured, which is a run of its own.
	Profile *Profile `json:",omitempty"`
}

// Profile holds the results of a run that compares variants of the edge.
type Profile struct {
	Date    time.Time
	Machine machine.Description
	Rounds  int
	Window  time.Duration
	// Variants begins with the edge by default.
	Variants []Variant
}

// Variant holds the results of the edge with one change, with 128 unary calls in flight and
// with a message in flight on each of 128 streams.
type Variant struct {
	Title         string
	Unary, Stream Figures
	// UnaryRatio and StreamRatio are the CPU time as a share of the first variant's.
	UnaryRatio, StreamRatio float64
	// Failed counts the failed calls of all rounds.
	Failed int
}

// Load names a load.
type Load struct {
	// Key names the load in charts, and Title in tables.
	Key, Title string
}

// Kind is the role of a candidate in the targets.
type Kind int

// These are the kinds of candidates.
const (
	Direct  Kind = iota // no proxy
	Edge                // this repository's
	Minimal             // Envoy with the least configuration
	Rival               // another proxy
)

// Candidate holds the results of a candidate.
type Candidate struct {
	Kind           Kind
	Title, Version string
	// Wants lists the targets. It is empty for a candidate without targets.
	Wants []Want
	// Figures has an element for each of Results.Loads.
	Figures []Figures
	// Memory is the peak in bytes.
	Memory int64
	// Spread is for the calls of one connection: the number at the busiest backend divided
	// by the number at the least busy.
	Spread float64
	// Failed counts the failed calls of all rounds. Failure is the first.
	Failed  int
	Failure string
}

// Want is a target of an edge: at these loads, by Key, it must reach at least this share of
// another candidate's calls a second. In a closed loop, latency is the inverse of throughput,
// so p99 may be longer by the same factor.
type Want struct {
	Of    string // Title of the other
	Share float64
	Loads []string
}

// Scale holds the results of the edge with a number of services, of which the first or the
// last is called.
type Scale struct {
	Title    string
	Services int
	Last     bool
	Figures  Figures
	// Memory is the peak in bytes.
	Memory int64
	// Start is the CPU time until the edge is ready.
	Start time.Duration
	// Size and Packed are the bytes of the configuration, as it is and gzipped.
	Size, Packed int64
}

// Figures holds the figures of one window, or the median of each over several.
type Figures struct {
	PerSecond float64
	P50, P99  time.Duration
	// CPU is the proxy's CPU time in seconds for a million calls. Busy is the used share of
	// the proxy's CPUs.
	CPU, Busy float64
	// Sent and Received are the bytes of a call at the client.
	Sent, Received float64
}

// Protocol holds the results of one protocol for the same method at this repository's edge.
type Protocol struct {
	Title string
	// Figures has an element for each of Results.ProtocolLoads.
	Figures []Figures
}

// Median returns the median of each figure over the windows.
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

// Ratio returns the median of the ratios of CPU time, each to the base of the same round: other
// work of the machine slows both.
func Ratio(windows, base []Figures) float64 {
	var ratios []float64
	for i, w := range windows {
		ratios = append(ratios, w.CPU/base[i].CPU)
	}
	return report.Median(ratios)
}

func median[T ~int64 | ~float64](windows []Figures, figure func(Figures) T) T {
	var values []T
	for _, w := range windows {
		values = append(values, figure(w))
	}
	return report.Median(values)
}
