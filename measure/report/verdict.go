package report

import (
	"fmt"
	"strings"
)

// Verdict states whether a target or a promise holds.
type Verdict struct {
	// What is the measurement or attempt. Wanted is the requirement.
	What, Wanted string
	// Value is the measured value of a target. It is empty for a promise.
	Value string `json:",omitempty"`
	// Broken lists what did not hold.
	Broken []string `json:",omitempty"`
}

// AtLeast returns the verdict on a target that a value meets at a bound or above.
func AtLeast(what string, value, bound float64) Verdict {
	return target(what, fmt.Sprintf("≥ %.2f", bound), value, value >= bound)
}

// AtMost returns the verdict on a target that a value meets at a bound or below.
func AtMost(what string, value, bound float64) Verdict {
	return target(what, fmt.Sprintf("≤ %.2f", bound), value, value <= bound)
}

func target(what, wanted string, value float64, met bool) Verdict {
	v := Verdict{What: what, Wanted: wanted, Value: fmt.Sprintf("%.2f", value)}
	if !met {
		v.Broken = []string{fmt.Sprintf("%.3f, wanted %s", value, wanted)}
	}
	return v
}

// Holds reports whether nothing is broken.
func (v Verdict) Holds() bool { return len(v.Broken) == 0 }

// mostBytes is the most bytes of what is broken in a table. An error may hold the whole output
// of a command.
const mostBytes = 400

// Markdown returns the verdict, in bold if it does not hold.
func (v Verdict) Markdown() string {
	switch {
	case v.Value != "" && v.Holds():
		return v.Value + " met"
	case v.Value != "":
		return "**" + v.Value + " missed**"
	case v.Holds():
		return "held"
	}
	text := strings.Join(v.Broken, "; ")
	if len(text) > mostBytes {
		text = strings.ToValidUTF8(text[:mostBytes], "") + "…"
	}
	return "**broken**: " + text
}

// Targets returns the table of verdicts on targets.
func Targets(verdicts []Verdict) Table {
	t := Table{Columns: []string{"", "wanted", "measured"}}
	for _, v := range verdicts {
		t.Add(v.What, v.Wanted, v.Markdown())
	}
	return t
}

// Broken returns a line for each verdict that does not hold.
func Broken(verdicts []Verdict) []string {
	var lines []string
	for _, v := range verdicts {
		if !v.Holds() {
			lines = append(lines, v.What+": "+strings.Join(v.Broken, "; "))
		}
	}
	return lines
}
