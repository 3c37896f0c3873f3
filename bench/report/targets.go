package report

import "fmt"

// The targets of the edge with everything on. Latency in a closed loop is the
// inverse of throughput, so p99 has the same tolerance beside the minimal Envoy.
const (
	ofMinimal  = 0.95 // of its throughput
	mostSpread = 1.05
)

// Target is one comparison, at one load.
type Target struct {
	What, Load string
	// Ratio was measured, and Bound is the most or, if AtLeast, the least that meets the target.
	Ratio, Bound float64
	AtLeast      bool
}

// Met is whether the ratio is within the bound. Equal is.
func (t Target) Met() bool {
	if t.AtLeast {
		return t.Ratio >= t.Bound
	}
	return t.Ratio <= t.Bound
}

// Wanted is the bound in words.
func (t Target) Wanted() string {
	if t.AtLeast {
		return fmt.Sprintf("≥ %.2f", t.Bound)
	}
	return fmt.Sprintf("≤ %.2f", t.Bound)
}

// throughputTargets and latencyTargets have a row for each other proxy, and in it a target for each load.
func (r Report) throughputTargets() [][]Target {
	return r.compare("calls/s ÷ those of ", func(edge, other Figures) float64 { return edge.PerSecond / other.PerSecond },
		true, ofMinimal)
}

func (r Report) latencyTargets() [][]Target {
	return r.compare("p99 ÷ that of ", func(edge, other Figures) float64 { return float64(edge.P99) / float64(other.P99) },
		false, 1/ofMinimal)
}

func (r Report) compare(what string, ratio func(edge, other Figures) float64, atLeast bool, minimalBound float64) [][]Target {
	edge, found := r.edge()
	if !found {
		return nil
	}
	var rows [][]Target
	for _, other := range r.Candidates {
		if other.Kind != Minimal && other.Kind != Rival {
			continue
		}
		bound := 1.0
		if other.Kind == Minimal {
			bound = minimalBound
		}
		var row []Target
		for i, load := range r.Loads {
			row = append(row, Target{what + other.Title, load.Title, ratio(edge.Figures[i], other.Figures[i]), bound, atLeast})
		}
		rows = append(rows, row)
	}
	return rows
}

// otherTargets hold for the edge by itself.
func (r Report) otherTargets() []Target {
	edge, found := r.edge()
	if !found {
		return nil
	}
	return []Target{
		{"calls of one connection at the busiest backend ÷ at the least busy", "", edge.Spread, mostSpread, false},
		{"failed calls", "", float64(edge.Failed), 0, false},
	}
}

// missed are all targets that were not met.
func (r Report) missed() []Target {
	var list []Target
	for _, row := range append(append(r.throughputTargets(), r.latencyTargets()...), r.otherTargets()) {
		for _, target := range row {
			if !target.Met() {
				list = append(list, target)
			}
		}
	}
	return list
}

func (r Report) edge() (Candidate, bool) {
	for _, c := range r.Candidates {
		if c.Kind == Edge {
			return c, true
		}
	}
	return Candidate{}, false
}
