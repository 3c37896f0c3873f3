package stackpage

import (
	"fmt"
	"strings"
	"time"

	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report"
)

// The table is between these lines of the README.
const (
	begin = "<!-- measured: make bench-stack writes what is below -->"
	end   = "<!-- measured: end -->"
)

// replaceTable replaces the table in the text of README.md.
func (r Results) replaceTable(text string) (string, error) {
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("writing the table: README.md lacks the lines %q and %q", begin, end)
	}
	return before + begin + r.table() + end + after, nil
}

// table returns the figures for a person who wants to try the repository.
func (r Results) table() string {
	t := report.Table{Columns: []string{"what", "measured"}}
	build := func(b Build) string {
		return fmt.Sprintf("%s, %s of memory at its peak", report.Duration(b.Took), report.Gigabytes(b.Memory))
	}
	if r.Cold != nil {
		t.Add("`make up`, first time: empty caches, everything fetched and compiled", report.Duration(r.Cold.Up))
	}
	own := r.Scales[0]
	t.Add("`make up`, every tool built", report.Duration(own.Up))
	t.Add("`make up` again, nothing to do", report.Duration(r.Again))
	t.Add("`make preview`, no change", report.Duration(report.Median(r.Checked)))
	t.Add("`make down`", report.Duration(own.Down))
	t.Add("memory of the running sandbox: cluster, pods and emulated cloud", report.Gigabytes(r.Memory))
	for _, i := range r.Images {
		t.Add("image of `"+i.Name+"`, compressed", report.Megabytes(i.Bytes))
	}
	t.Add("`infra` built again after a change in it", build(r.Rebuilt))
	if r.Cold != nil {
		t.Add("`infra` compiled with an empty build cache", build(r.Cold.Builds[0].Build))
	}
	return fmt.Sprintf("\n\n%s\n%s.%s\n\n", t, measured(r.Date, r.Machine), r.coldMeasured())
}

// coldMeasured returns when and where the figures with empty caches were measured, or nothing if
// that was on the day of the others.
func (r Results) coldMeasured() string {
	if r.Cold == nil || report.Date(r.Cold.Date) == report.Date(r.Date) {
		return ""
	}
	return " With empty caches: " + measured(r.Cold.Date, r.Cold.Machine) + "."
}

// measured returns when and where figures were measured.
func measured(date time.Time, m machine.Description) string {
	return fmt.Sprintf("%s, on %d CPUs (%s) with %s of memory", report.Date(date), m.CPUs, m.Model, m.Memory)
}
