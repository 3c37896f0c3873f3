package edgepage

import (
	"fmt"
	"slices"

	"example.com/grpc-edge/measure/report"
)

// These bounds hold for every edge. mostSpread bounds Candidate.Spread. lastOfFirst is the
// least throughput of the last of many services, as a share of the first's.
const (
	mostSpread  = 1.05
	lastOfFirst = 0.97
)

// comparison holds the targets of an edge against another candidate.
type comparison struct {
	what string
	// byLoad has an element for each load. It is nil for loads without a target.
	byLoad []*report.Verdict
}

// comparisons returns those of throughput, and then those of p99.
func (r Results) comparisons() []comparison {
	var throughput, latency []comparison
	for _, c := range r.Candidates {
		for _, want := range c.Wants {
			i := slices.IndexFunc(r.Candidates, func(other Candidate) bool { return other.Title == want.Of })
			if i < 0 {
				continue
			}
			other := r.Candidates[i]
			throughput = append(throughput, r.compare("calls/s of "+c.Title+" ÷ "+other.Title, want.Loads, func(what string, load int) report.Verdict {
				return report.AtLeast(what, c.Figures[load].PerSecond/other.Figures[load].PerSecond, want.Share)
			}))
			latency = append(latency, r.compare("p99 of "+c.Title+" ÷ "+other.Title, want.Loads, func(what string, load int) report.Verdict {
				return report.AtMost(what, float64(c.Figures[load].P99)/float64(other.Figures[load].P99), 1/want.Share)
			}))
		}
	}
	return append(throughput, latency...)
}

// compare returns a comparison at the loads with these keys.
func (r Results) compare(what string, keys []string, verdict func(what string, load int) report.Verdict) comparison {
	c := comparison{what, make([]*report.Verdict, len(r.Loads))}
	for i, load := range r.Loads {
		if slices.Contains(keys, load.Key) {
			v := verdict(fmt.Sprintf("%s (%s)", what, load.Title), i)
			c.byLoad[i] = &v
		}
	}
	return c
}

// others returns the targets that compare no proxies: of each edge, and of the last of many services.
func (r Results) others() []report.Verdict {
	var list []report.Verdict
	for _, c := range r.Candidates {
		if c.Kind == Edge {
			list = append(list,
				report.AtMost("calls of one connection at the busiest backend ÷ at the least busy, "+c.Title, c.Spread, mostSpread),
				report.AtMost("failed calls, "+c.Title, float64(c.Failed), 0))
		}
	}
	for _, last := range r.Scales {
		i := slices.IndexFunc(r.Scales, func(s Scale) bool { return s.Services == last.Services && !s.Last })
		if i < 0 || !last.Last {
			continue
		}
		first := r.Scales[i].Figures
		what := fmt.Sprintf(" of the last of %d services ÷ the first (%s)", last.Services, r.ScaleLoad)
		list = append(list,
			report.AtLeast("calls/s"+what, last.Figures.PerSecond/first.PerSecond, lastOfFirst),
			report.AtMost("p99"+what, float64(last.Figures.P99)/float64(first.P99), 1/lastOfFirst))
	}
	return list
}

// Missed returns a line for each target that was not met.
func (r Results) Missed() []string {
	var list []report.Verdict
	for _, c := range r.comparisons() {
		for _, v := range c.byLoad {
			if v != nil {
				list = append(list, *v)
			}
		}
	}
	return report.Broken(append(list, r.others()...))
}
