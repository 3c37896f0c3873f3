// Package report writes the results of the events as Markdown, with a timeline for each.
package report

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"example.com/grpc-edge/test/fault"
	"example.com/grpc-edge/test/steady"
)

//go:embed resilience.md.tmpl
var pageText string

//go:embed timeline.svg.tmpl
var timelineText string

var (
	page     = template.Must(template.New("page").Funcs(functions).Parse(pageText))
	timeline = template.Must(template.New("timeline").Parse(timelineText))
)

var functions = template.FuncMap{
	"ms":        milliseconds,
	"seconds":   seconds,
	"verdict":   verdict,
	"held":      held,
	"recovered": recovered,
	"failures":  failures,
	"file":      file,
	"resources": resourcesFile,
}

// folder is the folder of the timelines, beside the page.
const folder = "resilience"

func file(o fault.Outcome) string { return folder + "/" + o.Key + ".svg" }

func resourcesFile(o fault.Outcome) string { return folder + "/" + o.Key + "-resources.svg" }

// section describes a table of the page.
type section struct {
	Title    string
	Refuses  bool // some calls were refused
	Outcomes []fault.Outcome
}

// Write writes resilience.md into a folder, with the events and checks in the order given. It
// writes the timelines of outcomes that this run has measured.
func Write(dir, machine string, outcomes []fault.Outcome, checks []fault.Checked) error {
	if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
		return err
	}
	for _, o := range outcomes {
		if err := drawAll(dir, o); err != nil {
			return err
		}
	}
	data := struct {
		Machine, Days string
		Options       steady.Options
		Sections      []section
		Checks        []fault.Checked
	}{Machine: machine, Days: days(outcomes, checks), Options: steady.Default, Sections: sections(outcomes), Checks: checks}
	var text strings.Builder
	if err := page.Execute(&text, data); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "resilience.md"), []byte(text.String()), 0o644)
}

func sections(outcomes []fault.Outcome) (list []section) {
	for _, kind := range fault.Kinds {
		one := section{Title: titles[kind]}
		for _, o := range outcomes {
			if o.Kind == kind {
				one.Outcomes = append(one.Outcomes, o)
				one.Refuses = one.Refuses || o.Refused > 0
			}
		}
		if len(one.Outcomes) > 0 {
			list = append(list, one)
		}
	}
	return list
}

// drawAll draws the outcome of an event. It leaves out an outcome of another run, which has
// drawn it.
func drawAll(dir string, o fault.Outcome) error {
	if len(o.Buckets) == 0 {
		return nil
	}
	text, err := draw(o)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, file(o)), []byte(text), 0o644)
	}
	if err != nil || len(o.Series) == 0 {
		return err
	}
	if text, err = drawResources(o); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, resourcesFile(o)), []byte(text), 0o644)
}

// days returns the dates of the measurements: one day, or the first and the last.
func days(outcomes []fault.Outcome, checks []fault.Checked) string {
	var list []string
	for _, o := range outcomes {
		list = append(list, o.Measured.Format(time.DateOnly))
	}
	for _, c := range checks {
		list = append(list, c.Measured.Format(time.DateOnly))
	}
	slices.Sort(list)
	return strings.Join(slices.Compact([]string{list[0], list[len(list)-1]}), " to ")
}

var titles = map[string]string{
	fault.Planned:   "Planned",
	fault.Unplanned: "Unplanned",
	fault.Load:      "Load",
	fault.Abuse:     "Abuse, while other clients call",
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.0f ms", d.Seconds()*1e3) }
func seconds(d time.Duration) string      { return fmt.Sprintf("%.1f s", d.Seconds()) }

func recovered(o fault.Outcome) string {
	if o.Failed+o.Refused == 0 {
		return "–"
	}
	return seconds(o.Recovered)
}

func verdict(o fault.Outcome) string {
	if len(o.Broken) == 0 {
		return "held"
	}
	return "**broken**: " + cell(strings.Join(o.Broken, "; "))
}

func held(c fault.Checked) string {
	if c.Broken == "" {
		return "held"
	}
	return "**broken**: " + cell(c.Broken)
}

// mostInCell is the most bytes of a text in a table's cell. An error may hold the whole
// output of a command.
const mostInCell = 400

func cell(text string) string {
	text = strings.NewReplacer("\n", " ", "|", "\\|").Replace(text)
	if len(text) > mostInCell {
		text = strings.ToValidUTF8(text[:mostInCell], "") + "…"
	}
	return text
}

// failures returns the kinds of failures of an outcome, the most frequent first.
func failures(o fault.Outcome) []string {
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
