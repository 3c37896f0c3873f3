package page

import (
	"fmt"
	"strings"
	"time"
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
	var t strings.Builder
	row := func(what, value string) { fmt.Fprintf(&t, "| %s | %s |\n", what, value) }
	fmt.Fprint(&t, "\n\n| what | measured |\n|---|---|\n")
	if r.Cold != nil {
		row("`make up`, first time: empty caches, everything fetched and compiled", seconds(r.Cold.Up))
	}
	own := r.Scales[0]
	row("`make up`, every tool built", seconds(own.Up))
	row("`make up` again, nothing to do", seconds(r.Again))
	row("`make preview`, no change", seconds(median(r.Checked)))
	row("`make down`", seconds(own.Down))
	row("memory of the running sandbox: cluster, pods and emulated cloud", gigabytes(r.Memory))
	for _, i := range r.Images {
		row("image of `"+i.Name+"`, compressed", megabytes(uint64(i.Bytes)))
	}
	row("`infra` built again after a change in it", r.Rebuilt.String())
	if r.Cold != nil {
		row("`infra` compiled with an empty build cache", r.Cold.Builds[0].String())
	}
	fmt.Fprintf(&t, "\n%s, on %d CPUs of a %s with %s of memory.\n\n", r.Date.Format(time.DateOnly), r.Machine.CPUs, r.Machine.Model, r.Machine.Memory)
	return t.String()
}

// String returns the time and the memory for a table.
func (b Build) String() string {
	return fmt.Sprintf("%s, %s of memory at its peak", seconds(b.Took), gigabytes(b.Memory))
}
