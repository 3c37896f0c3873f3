package page

import (
	"fmt"
	"time"
)

// The targets of a preview that finds no change.
const (
	// mostFloor is its time by that of an empty program (issue 5).
	mostFloor = 2.0
	// mostGrowth is what each service costs between the last two scales by what it costs
	// between the two before: 1 is linear.
	mostGrowth = 1.5
)

// Target is what was wanted, and what was measured.
type Target struct {
	What            string
	Bound, Measured float64
}

// Verdict is bold where the target was missed.
func (t Target) Verdict() string {
	if t.Measured > t.Bound {
		return fmt.Sprintf("**%.2f missed**", t.Measured)
	}
	return fmt.Sprintf("%.2f met", t.Measured)
}

// Targets are those that could be measured.
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

// Step is what one service more costs between two scales; memory and state are in bytes.
type Step struct {
	Services               string // from and to
	Preview, Up            time.Duration
	Program, Engine, State float64
}

// Steps are one less than Scales.
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
