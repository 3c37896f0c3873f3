package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/measure/loadgen"
	"example.com/grpc-edge/measure/report"
)

// Timeline describes calls over time, and something that happened meanwhile.
type Timeline struct {
	Title, Description string
	Calls              []loadgen.Bucket
	// Happened is when it happened, and Over when it was over, from the first call on.
	Happened, Over time.Duration
}

// These are the dimensions of a timeline: an upper panel and a lower one.
const (
	callsTop       = 56
	callsEnd       = 156
	slowTop        = 184
	slowEnd        = 264
	timelineHeight = 296
	// leastScale is the bottom of the latency's scale, a logarithmic one.
	leastScale = 10 * time.Millisecond
	// tickHeight is the height of a tick's text.
	tickHeight = 13
)

// SVG returns the chart. The upper panel has the calls of each tenth of a second or more, and
// the lower panel the slowest of them.
func (t Timeline) SVG() string {
	calls, each := merge(t.Calls)
	most, slowest, refused := 1, leastScale*10, false
	for _, b := range calls {
		most, slowest, refused = max(most, b.Answered+b.Failed+b.Refused), max(slowest, b.Slowest), refused || b.Refused > 0
	}
	legend := "calls answered and failed (red)"
	if refused {
		legend = "calls answered, refused (orange) and failed (red)"
	}
	step := float64(width-left-right) / float64(max(1, len(calls)))
	x := func(moment time.Duration) float64 { return left + step*float64(moment)/float64(each) }
	happened, over := x(t.Happened), x(t.Over)
	var d drawing
	d.text("ink head", start, 16, 24, t.Title)
	d.text("soft", start, left, 46, fmt.Sprintf("%s, for each %g s", legend, each.Seconds()))
	d.text("soft", start, left, 176, "slowest call")
	d.rect("span", happened, callsTop, over-happened, slowEnd-callsTop, 0)
	columns := newColumns(calls, step, most, slowest)
	for _, class := range columnClasses {
		d.path(class, columns[class].String())
	}
	d.line("moment", happened, callsTop, happened, slowEnd)
	d.line("moment", over, callsTop, over, slowEnd)
	d.line("axis", left, callsEnd, width-right, callsEnd)
	d.line("axis", left, slowEnd, width-right, slowEnd)
	d.scales(most, slowest)
	lasting := time.Duration(len(calls)) * each
	every := timeStep(lasting)
	for moment := time.Duration(0); moment <= lasting; moment += every {
		d.text("soft", middle, x(moment), 284, momentText(moment, every))
	}
	return d.svg(timelineHeight, t.Title, t.Description)
}

// scales writes the most calls, and ticks of latency.
func (d *drawing) scales(most int, slowest time.Duration) {
	d.tick(callsTop, fmt.Sprint(most))
	d.tick(callsEnd, "0")
	latency := func(l time.Duration) { d.tick(latencyAt(l, slowest), report.WholeMilliseconds(l)) }
	last := leastScale
	for l := last; l <= slowest; l *= 10 {
		latency(l)
		last = l
	}
	if latencyAt(last, slowest)-slowTop > tickHeight {
		latency(slowest)
	}
}

// tick writes a mark left of an axis.
func (d *drawing) tick(y float64, text string) { d.text("soft", end, left-8, y+ascent, text) }

// timeStep returns the time between two ticks. There is room for some fourteen.
func timeStep(lasting time.Duration) time.Duration {
	steps := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute}
	for _, step := range steps {
		if lasting/step <= 14 {
			return step
		}
	}
	return lasting.Truncate(time.Minute) / 10
}

func momentText(moment, every time.Duration) string {
	if every >= time.Minute {
		return fmt.Sprintf("%.0f min", moment.Minutes())
	}
	return fmt.Sprintf("%.0f s", moment.Seconds())
}

// mostColumns is the most columns that a reader can tell apart.
const mostColumns = 900

// merge joins several buckets into one where there are too many. It also returns the time that
// each then covers.
func merge(calls []loadgen.Bucket) (merged []loadgen.Bucket, each time.Duration) {
	times := 1
	for len(calls)/times > mostColumns {
		times *= 10
	}
	for part := range slices.Chunk(calls, times) {
		var sum loadgen.Bucket
		for _, b := range part {
			sum = loadgen.Bucket{Answered: sum.Answered + b.Answered, Failed: sum.Failed + b.Failed, Refused: sum.Refused + b.Refused, Slowest: max(sum.Slowest, b.Slowest)}
		}
		merged = append(merged, sum)
	}
	return merged, time.Duration(times) * loadgen.BucketWidth
}

// columnClasses lists the classes of columns in the order in which they are drawn.
var columnClasses = []string{"answered", "refused", "failed", "slowest"}

// newColumns returns a path for each class, with a column for each bucket. Above, refused and
// failed calls are stacked on the answered ones. Below is the slowest call.
func newColumns(calls []loadgen.Bucket, step float64, most int, slowest time.Duration) map[string]*strings.Builder {
	paths := map[string]*strings.Builder{}
	for _, class := range columnClasses {
		paths[class] = &strings.Builder{}
	}
	scale := float64(callsEnd-callsTop) / float64(most)
	for i, b := range calls {
		column := func(class string, from, to float64) {
			if from > to {
				fmt.Fprintf(paths[class], "M%.1f %.1fV%.1fh%.2fV%.1fz", left+step*float64(i), from, to, step, from)
			}
		}
		middle := callsEnd - scale*float64(b.Answered)
		column("answered", callsEnd, middle)
		above := middle - scale*float64(b.Refused)
		column("refused", middle, above)
		column("failed", above, above-scale*float64(b.Failed))
		if b.Slowest > 0 {
			column("slowest", slowEnd, latencyAt(b.Slowest, slowest))
		}
	}
	return paths
}

func latencyAt(l, slowest time.Duration) float64 {
	share := math.Log(float64(max(l, leastScale))/float64(leastScale)) / math.Log(float64(slowest)/float64(leastScale))
	return slowEnd - share*(slowEnd-slowTop)
}
