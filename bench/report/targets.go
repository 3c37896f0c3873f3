package report

import (
	"fmt"
	"slices"
)

// These bounds hold for every edge. mostSpread bounds Candidate.Spread. lastOfFirst is the
// least throughput of the last of many services, as a share of the first's.
const (
	mostSpread  = 1.05
	lastOfFirst = 0.97
)

// Target is one comparison at one load.
type Target struct {
	What, Load string
	// Ratio is the measured value. Bound is the highest value that meets the target, or the
	// lowest if AtLeast.
	Ratio, Bound float64
	AtLeast      bool
}

// Met reports whether the ratio is within the bound. An equal ratio is.
func (t Target) Met() bool {
	if t.AtLeast {
		return t.Ratio >= t.Bound
	}
	return t.Ratio <= t.Bound
}

// Wanted returns the bound in words.
func (t Target) Wanted() string {
	if t.AtLeast {
		return fmt.Sprintf("≥ %.2f", t.Bound)
	}
	return fmt.Sprintf("≤ %.2f", t.Bound)
}

// loadTargets returns a row of targets for each want: first those of throughput, then those
// of p99. A row has an element for each load. It is nil for loads that the want does not name.
func (r Report) loadTargets() [][]*Target {
	var throughput, latency [][]*Target
	for _, c := range r.Candidates {
		for _, want := range c.Wants {
			other, found := r.candidate(want.Of)
			if !found {
				continue
			}
			faster, sooner := make([]*Target, len(r.Loads)), make([]*Target, len(r.Loads))
			for i, load := range r.Loads {
				if !slices.Contains(want.Loads, load.Key) {
					continue
				}
				mine, its := c.Figures[i], other.Figures[i]
				faster[i] = &Target{fmt.Sprintf("calls/s of %s ÷ %s", c.Title, other.Title), load.Title, mine.PerSecond / its.PerSecond, want.Share, true}
				sooner[i] = &Target{fmt.Sprintf("p99 of %s ÷ %s", c.Title, other.Title), load.Title, float64(mine.P99) / float64(its.P99), 1 / want.Share, false}
			}
			throughput, latency = append(throughput, faster), append(latency, sooner)
		}
	}
	return append(throughput, latency...)
}

// otherTargets returns the targets of each edge by itself, and of the last of many services.
func (r Report) otherTargets() []Target {
	var list []Target
	for _, c := range r.Candidates {
		if c.Kind == Edge {
			list = append(list,
				Target{"calls of one connection at the busiest backend ÷ at the least busy, " + c.Title, "", c.Spread, mostSpread, false},
				Target{"failed calls, " + c.Title, "", float64(c.Failed), 0, false})
		}
	}
	if len(r.Scales) < 2 {
		return list
	}
	first, last := r.Scales[len(r.Scales)-2], r.Scales[len(r.Scales)-1]
	return append(list,
		Target{"calls/s of the last service ÷ the first", r.ScaleLoad, last.Figures.PerSecond / first.Figures.PerSecond, lastOfFirst, true},
		Target{"p99 of the last service ÷ the first", r.ScaleLoad, float64(last.Figures.P99) / float64(first.Figures.P99), 1 / lastOfFirst, false})
}

// missed returns all targets that were not met.
func (r Report) missed() []Target {
	var list []Target
	for _, row := range r.loadTargets() {
		for _, target := range row {
			if target != nil && !target.Met() {
				list = append(list, *target)
			}
		}
	}
	for _, target := range r.otherTargets() {
		if !target.Met() {
			list = append(list, target)
		}
	}
	return list
}

func (r Report) candidate(title string) (Candidate, bool) {
	for _, c := range r.Candidates {
		if c.Title == title {
			return c, true
		}
	}
	return Candidate{}, false
}
