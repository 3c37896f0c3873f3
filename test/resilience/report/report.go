// Package report writes what the events cost as Markdown, with a timeline for each.
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

	"grpc-edge/test/fault"
	"grpc-edge/test/steady"
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

// folder is where the timelines are, beside the page.
const folder = "resilience"

func file(o fault.Outcome) string { return folder + "/" + o.Key + ".svg" }

func resourcesFile(o fault.Outcome) string { return folder + "/" + o.Key + "-resources.svg" }

// Write writes resilience.md and the timelines into a folder, in the order given.
func Write(dir, machine string, outcomes []fault.Outcome, checks []fault.Checked) error {
	if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
		return err
	}
	type section struct {
		Title    string
		Refuses  bool // some calls were refused
		Outcomes []fault.Outcome
	}
	data := struct {
		Machine  string
		Options  steady.Options
		Rate     int
		Sections []section
		Checks   []fault.Checked
	}{Machine: machine, Options: steady.Default, Checks: checks}
	data.Rate = int(time.Second/steady.Default.Interval) * steady.Default.Clients * len(steady.Protocols)
	for _, kind := range fault.Kinds {
		one := section{Title: titles[kind]}
		for _, o := range outcomes {
			if o.Kind == kind {
				one.Outcomes = append(one.Outcomes, o)
				one.Refuses = one.Refuses || o.Refused > 0
			}
		}
		if len(one.Outcomes) > 0 {
			data.Sections = append(data.Sections, one)
		}
	}
	for _, o := range outcomes {
		text, err := draw(o)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file(o)), []byte(text), 0o644); err != nil {
			return err
		}
		if len(o.Series) == 0 {
			continue
		}
		if text, err = drawResources(o); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, resourcesFile(o)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	var text strings.Builder
	if err := page.Execute(&text, data); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "resilience.md"), []byte(text.String()), 0o644)
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

// mostInCell is how much of a text a cell of a table has room for: an error may hold
// the whole output of a command.
const mostInCell = 400

func cell(text string) string {
	text = strings.NewReplacer("\n", " ", "|", "\\|").Replace(text)
	if len(text) > mostInCell {
		text = strings.ToValidUTF8(text[:mostInCell], "") + "…"
	}
	return text
}

// failures are the kinds of failures of an outcome, the most frequent first.
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
