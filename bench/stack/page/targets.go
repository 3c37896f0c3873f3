package page

import (
	"fmt"
	"time"
)

// These are the targets of a preview without changes.
const (
	// mostFloor bounds its time divided by that of an empty program (issue 5).
	mostFloor = 2.0
	// mostGrowth bounds the cost of a service between the last two scales divided by its
	// cost between the two before. 1 is linear growth.
	mostGrowth = 1.5
)

// Target holds a bound and the measured value.
type Target struct {
	What            string
	Bound, Measured float64
}

// Verdict returns the result in Markdown. It is bold if the target was missed.
func (t Target) Verdict() string {
	if t.Measured > t.Bound {
		return fmt.Sprintf("**%.2f missed**", t.Measured)
	}
	return fmt.Sprintf("%.2f met", t.Measured)
}

// Targets returns the targets that could be measured.
func (r Results) Targets() []Target {
	list := []Target{{"preview without a change ÷ that of an empty program", mostFloor, ratio(r.Whole, r.Empty)}}
	if len(r.Scales) < 3 {
		return list
	}
	steps := r.Steps()
	before, last := steps[len(steps)-2], steps[len(steps)-1]
	what := func(of string) string {
		return fmt.Sprintf("%s of a service more: from %s ÷ from %s", of, last.Services, before.Services)
	}
	return append(list,
		Target{what("time of the preview"), mostGrowth, last.Preview.Seconds() / before.Preview.Seconds()},
		Target{what("memory of the program"), mostGrowth, last.Program / before.Program},
		Target{what("state"), mostGrowth, last.State / before.State},
	)
}

// Step holds the cost of one more service between two scales. Memory and state are in bytes.
type Step struct {
	Services               string // from and to
	Preview, Up            time.Duration
	Program, Engine, State float64
}

// Steps returns the steps between the scales.
func (r Results) Steps() []Step {
	var list []Step
	for i := 1; i < len(r.Scales); i++ {
		a, b := r.Scales[i-1], r.Scales[i]
		more := float64(b.Services - a.Services)
		list = append(list, Step{
			Services: fmt.Sprintf("%d to %d", a.Services, b.Services),
			Preview:  time.Duration(float64(median(b.Previews)-median(a.Previews)) / more),
			Up:       time.Duration(float64(b.Up-a.Up) / more),
			Program:  (float64(b.Program) - float64(a.Program)) / more,
			Engine:   (float64(b.Engine) - float64(a.Engine)) / more,
			State:    float64(b.State-a.State) / more,
		})
	}
	return list
}

func ratio(a, b []time.Duration) float64 { return median(a).Seconds() / median(b).Seconds() }
