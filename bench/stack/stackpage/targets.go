package stackpage

import (
	"fmt"
	"time"

	"example.com/grpc-edge/measure/report"
)

// These are the targets of a preview without changes.
const (
	// mostFloor bounds its time divided by that of an empty program (issue 19).
	mostFloor = 1.5
	// mostGrowth bounds the cost of a service between the last two scales divided by its
	// cost between the two before. 1 is linear growth.
	mostGrowth = 1.5
)

// targets returns the targets that could be measured.
func (r Results) targets() []report.Verdict {
	floor := report.Median(r.Whole).Seconds() / report.Median(r.Empty).Seconds()
	list := []report.Verdict{report.AtMost("preview without a change ÷ that of an empty program", floor, mostFloor)}
	if len(r.Scales) < 3 {
		return list
	}
	steps := r.steps()
	before, last := steps[len(steps)-2], steps[len(steps)-1]
	grows := func(of string, from, to float64) report.Verdict {
		return report.AtMost(fmt.Sprintf("%s for each additional service: from %s ÷ from %s", of, last.services, before.services), to/from, mostGrowth)
	}
	return append(list,
		grows("time of the preview", before.preview.Seconds(), last.preview.Seconds()),
		grows("memory of the program", before.program, last.program),
		grows("state", before.state, last.state))
}

// step holds the cost of one more service between two scales. Memory and state are in bytes.
type step struct {
	services               string // from and to
	preview, up            time.Duration
	program, engine, state float64
}

// steps returns the steps between the scales.
func (r Results) steps() []step {
	var list []step
	for i := 1; i < len(r.Scales); i++ {
		a, b := r.Scales[i-1], r.Scales[i]
		more := float64(b.Services - a.Services)
		list = append(list, step{
			services: fmt.Sprintf("%d to %d", a.Services, b.Services),
			preview:  time.Duration(float64(report.Median(b.Previews)-report.Median(a.Previews)) / more),
			up:       time.Duration(float64(b.Up-a.Up) / more),
			program:  (float64(b.Program) - float64(a.Program)) / more,
			engine:   (float64(b.Engine) - float64(a.Engine)) / more,
			state:    float64(b.State-a.State) / more,
		})
	}
	return list
}
