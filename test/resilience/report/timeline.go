package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/test/fault"
	"example.com/grpc-edge/test/steady"
)

// These are the dimensions of a timeline in its own units, which are pixels at full size.
const (
	width      = 900
	left       = 60
	right      = 16
	callsTop   = 56
	callsEnd   = 156
	slowTop    = 184
	slowEnd    = 264
	height     = 296
	leastScale = 10 * time.Millisecond // the bottom of the latency's scale, a logarithmic one
)

// tick describes a mark on an axis.
type tick struct {
	At   float64
	Text string
}

type drawing struct {
	fault.Outcome
	Width, Height, Left, Right           int
	CallsTop, CallsEnd, SlowTop, SlowEnd int
	Answered, FailedBars                 string // paths
	RefusedBars, Slowest                 string
	Legend, Each                         string
	HappenedAt, OverAt                   float64
	Times, Rates, Latencies              []tick
	Description                          string
}

// draw returns the timeline as SVG. The upper panel has the calls of each tenth of a second or
// more, and the lower panel the slowest of them.
func draw(o fault.Outcome) (string, error) {
	d := drawing{
		Outcome: o, Width: width, Height: height, Left: left, Right: width - right,
		CallsTop: callsTop, CallsEnd: callsEnd, SlowTop: slowTop, SlowEnd: slowEnd,
		Description: fmt.Sprintf("%d calls, %d failed. The figures are in the table.", o.Sent, o.Failed),
		Legend:      "calls answered and failed (red)",
	}
	if o.Refused > 0 {
		d.Description = fmt.Sprintf("%d calls, %d failed, %d refused. The figures are in the table.", o.Sent, o.Failed, o.Refused)
		d.Legend = "calls answered, refused (orange) and failed (red)"
	}
	each := merge(&d.Outcome)
	d.Each = fmt.Sprintf("for each %g s", each.Seconds())
	o = d.Outcome
	step := float64(width-left-right) / float64(max(1, len(o.Buckets)))
	at := func(t time.Duration) float64 { return left + step*float64(t)/float64(each) }
	d.HappenedAt, d.OverAt = at(o.Happened), at(o.Over)
	most, slowest := 1, leastScale*10
	for _, b := range o.Buckets {
		most, slowest = max(most, b.Answered+b.Failed+b.Refused), max(slowest, b.Slowest)
	}
	d.paths(step, most, slowest)
	end := time.Duration(len(o.Buckets)) * each
	every := timeStep(end)
	for t := time.Duration(0); t <= end; t += every {
		d.Times = append(d.Times, tick{at(t), moment(t, every)})
	}
	d.Rates = []tick{{callsTop, fmt.Sprint(most)}, {callsEnd, "0"}}
	for l := leastScale; l <= slowest; l *= 10 {
		d.Latencies = append(d.Latencies, tick{latencyAt(l, slowest), milliseconds(l)})
	}
	if last := d.Latencies[len(d.Latencies)-1]; last.At-slowTop > tickHeight {
		d.Latencies = append(d.Latencies, tick{slowTop, milliseconds(slowest)})
	}
	var text strings.Builder
	err := timeline.Execute(&text, d)
	return text.String(), err
}

// tickHeight is the height of a tick's text.
const tickHeight = 13

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

func moment(t, every time.Duration) string {
	if every >= time.Minute {
		return fmt.Sprintf("%.0f min", t.Minutes())
	}
	return fmt.Sprintf("%.0f s", t.Seconds())
}

// mostColumns is the most columns that a reader can tell apart.
const mostColumns = 900

// merge joins several buckets into one where there are too many. It returns the time that
// each then covers.
func merge(o *fault.Outcome) time.Duration {
	times := 1
	for len(o.Buckets)/times > mostColumns {
		times *= 10
	}
	var merged []steady.Bucket
	for part := range slices.Chunk(o.Buckets, times) {
		var sum steady.Bucket
		for _, b := range part {
			sum = steady.Bucket{Answered: sum.Answered + b.Answered, Failed: sum.Failed + b.Failed, Refused: sum.Refused + b.Refused, Slowest: max(sum.Slowest, b.Slowest)}
		}
		merged = append(merged, sum)
	}
	o.Buckets = merged
	return time.Duration(times) * steady.BucketWidth
}

// paths draws a column for each bucket. Above, refused and failed calls are stacked on the
// answered ones. Below is the slowest call.
func (d *drawing) paths(step float64, most int, slowest time.Duration) {
	var answered, refused, failed, slow strings.Builder
	scale := float64(callsEnd-callsTop) / float64(most)
	column := func(path *strings.Builder, i int, from, to float64) {
		if from > to {
			fmt.Fprintf(path, "M%.1f %.1fV%.1fh%.2fV%.1fz", left+step*float64(i), from, to, step, from)
		}
	}
	for i, b := range d.Buckets {
		middle := callsEnd - scale*float64(b.Answered)
		column(&answered, i, callsEnd, middle)
		above := middle - scale*float64(b.Refused)
		column(&refused, i, middle, above)
		column(&failed, i, above, above-scale*float64(b.Failed))
		if b.Slowest > 0 {
			column(&slow, i, slowEnd, latencyAt(b.Slowest, slowest))
		}
	}
	d.Answered, d.RefusedBars, d.FailedBars, d.Slowest = answered.String(), refused.String(), failed.String(), slow.String()
}

func latencyAt(l, slowest time.Duration) float64 {
	share := math.Log(float64(max(l, leastScale))/float64(leastScale)) / math.Log(float64(slowest)/float64(leastScale))
	return slowEnd - share*(slowEnd-slowTop)
}

// Span returns the width of the time of the event.
func (d drawing) Span() float64 { return d.OverAt - d.HappenedAt }

// SpanHeight returns the height from the top of the upper panel to the end of the lower one.
func (d drawing) SpanHeight() int { return slowEnd - callsTop }
