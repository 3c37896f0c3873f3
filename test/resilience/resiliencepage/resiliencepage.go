// Package resiliencepage writes docs/resilience.md from the results of the events, with a timeline for
// each.
package resiliencepage

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/measure/chart"
	"example.com/grpc-edge/measure/loadgen"
	"example.com/grpc-edge/measure/report"
	"example.com/grpc-edge/test/chaos"
)

//go:embed resilience.md.tmpl
var text string

var page = report.Template(text)

// Results holds the newest results of each event, by key. An event keeps them while others are
// measured again.
type Results struct {
	// Machine describes the machine that measured all of them.
	Machine string
	Events  map[string]chaos.Outcome
}

// Write writes resilience.md into a folder. It draws the timelines of the events that this run
// has measured. Other timelines are not kept.
func (r Results) Write(dir string) error {
	var outcomes []outcome
	checks := report.Table{Columns: []string{"what is tried", "what must hold", "verdict", "took"}}
	for _, event := range chaos.Known() {
		o, measured := r.Events[event.Key]
		switch {
		case measured && o.Kind == chaos.Check:
			checks.Add(o.What, o.Wanted, o.Markdown(), report.Seconds(o.Took.Seconds()))
		case measured:
			outcomes = append(outcomes, outcome{o})
		}
	}
	content, err := report.Execute(page, struct {
		Machine, Days string
		Options       loadgen.Options
		Sections      []section
		Checks        report.Table
	}{r.Machine, r.days(), loadgen.Default, sections(outcomes), checks})
	if err != nil {
		return err
	}
	files := map[string]string{"resilience.md": content}
	for _, o := range outcomes {
		if len(o.Buckets) > 0 {
			files[o.File()] = o.timeline()
		}
		if len(o.Series) > 0 {
			files[o.ResourcesFile()] = o.resources()
		}
	}
	return report.WriteFiles(dir, files)
}

// days returns the dates of the measurements: one day, or the first and the last.
func (r Results) days() string {
	var list []string
	for _, o := range r.Events {
		list = append(list, report.Date(o.Measured))
	}
	slices.Sort(list)
	return strings.Join(slices.Compact([]string{list[0], list[len(list)-1]}), " to ")
}

// section describes the events of one kind.
type section struct {
	Title    string
	Outcomes []outcome
}

var titles = map[string]string{
	chaos.Planned:   "Planned",
	chaos.Unplanned: "Unplanned",
	chaos.Load:      "Load",
	chaos.Abuse:     "Abuse while other clients call",
}

func sections(outcomes []outcome) (list []section) {
	for _, kind := range chaos.Kinds {
		own := slices.DeleteFunc(slices.Clone(outcomes), func(o outcome) bool { return o.Kind != kind })
		if len(own) > 0 {
			list = append(list, section{titles[kind], own})
		}
	}
	return list
}

// Table returns a row for each event. It shows refused calls if there are any.
func (s section) Table() report.Table {
	refuses := slices.ContainsFunc(s.Outcomes, func(o outcome) bool { return o.Refused > 0 })
	t := report.Table{Columns: []string{"event", "what must hold", "verdict", "sent", "failed", "refused", "retried", "p99 before", "during", "after", "recovered"}}
	for _, o := range s.Outcomes {
		t.Add(o.What, o.Wanted, o.Markdown(), fmt.Sprint(o.Sent), fmt.Sprint(o.Failed), fmt.Sprint(o.Refused), fmt.Sprint(o.Retried),
			report.WholeMilliseconds(o.Before), report.WholeMilliseconds(o.During), report.WholeMilliseconds(o.After), o.recovered())
	}
	if !refuses {
		t.Remove("refused")
	}
	return t
}

// outcome adds what the page says of an event.
type outcome struct{ chaos.Outcome }

// File returns the name of the file of the timeline, beside the page.
func (o outcome) File() string { return "resilience/" + o.Key + ".svg" }

// ResourcesFile returns the name of the file of the chart of resources.
func (o outcome) ResourcesFile() string { return "resilience/" + o.Key + "-resources.svg" }

func (o outcome) recovered() string {
	if o.Failed+o.Refused == 0 {
		return "–"
	}
	return report.Seconds(o.Recovered.Seconds())
}

// Kinds returns the kinds of failures, the most frequent first.
func (o outcome) Kinds() []string {
	keys := slices.SortedFunc(maps.Keys(o.Failures), func(a, b string) int {
		if n := o.Failures[b] - o.Failures[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	var list []string
	for _, key := range keys {
		list = append(list, fmt.Sprintf("%d × `%s`", o.Failures[key], strings.ReplaceAll(key, "`", "'")))
	}
	return list
}

func (o outcome) timeline() string {
	counts := fmt.Sprintf("%d calls, %d failed", o.Sent, o.Failed)
	if o.Refused > 0 {
		counts += fmt.Sprintf(", %d refused", o.Refused)
	}
	return chart.Timeline{
		Title: o.What, Description: counts + ". The figures are in the table.",
		Calls: o.Buckets, Happened: o.Happened, Over: o.Over,
	}.SVG()
}

func (o outcome) resources() string {
	c := chart.Lines{Title: o.What + ": what is used", Names: chaos.Apps}
	var lasting time.Duration
	for _, p := range []struct{ what, title string }{{"memory", "memory, MiB"}, {"descriptors", "file descriptors"}, {"goroutines", "goroutines"}} {
		panel := chart.LinePanel{Title: p.title, Lines: map[string][]float64{}}
		for _, s := range o.Series {
			if s.What == p.what {
				panel.Lines[s.App] = s.Values
				lasting = max(lasting, s.Every*time.Duration(len(s.Values)))
			}
		}
		c.Panels = append(c.Panels, panel)
	}
	c.Subtitle = "the most that one container of each app has, over " + chaos.Minutes(lasting)
	c.Description = "The most that one container of each app uses, over " + chaos.Minutes(lasting) + "."
	return c.SVG()
}
