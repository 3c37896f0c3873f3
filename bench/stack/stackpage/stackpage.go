// Package stackpage writes docs/benchmark-stack.md, its charts, and the table in README.md from
// the results for the stack.
package stackpage

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example.com/grpc-edge/measure/report"
)

// File is the path of the results, relative to the module. Name is the name of the page.
const (
	File = "stack/results.json"
	Name = "benchmark-stack.md"
)

//go:embed benchmark-stack.md.tmpl
var text string

var page = report.Template(text)

// Write writes docs/benchmark-stack.md with its charts, and the table in README.md, in the
// repository at root. notes is text by a person, in Markdown.
func (r Results) Write(root, notes string) error {
	files, err := r.Files(notes)
	if err != nil {
		return err
	}
	if err := report.WriteFiles(filepath.Join(root, "docs"), files); err != nil {
		return err
	}
	readme := filepath.Join(root, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	replaced, err := r.replaceTable(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(readme, []byte(replaced), 0o644)
}

// Files returns the page and its charts by name.
func (r Results) Files(notes string) (map[string]string, error) {
	files := r.charts()
	var err error
	files[Name], err = report.Execute(page, struct {
		Results
		Notes string
	}{r, notes})
	return files, err
}

// PreviewTable returns the table of previews without a change.
func (r Results) PreviewTable() report.Table {
	t := report.Table{Columns: []string{"`pulumi preview` of", fmt.Sprintf("median of %d", len(r.Whole)), "fastest to slowest"}}
	for _, p := range r.previews() {
		span := ""
		if len(p.times) > 0 {
			span = fmt.Sprintf("%.1f to %s", slices.Min(p.times).Seconds(), report.Duration(slices.Max(p.times)))
		}
		t.Add(p.title, report.Duration(report.Median(p.times)), span)
	}
	return t
}

// ScaleTable returns the table with a row for each number of services.
func (r Results) ScaleTable() report.Table {
	t := report.Table{Columns: []string{"services", "resources", "`make up`", "preview, no change", "images rebuilt", "program's memory", "engine's memory", "state", "`make down`"}}
	for _, s := range r.Scales {
		t.Add(fmt.Sprint(s.Services), fmt.Sprint(s.Resources), report.Duration(s.Up), report.Duration(report.Median(s.Previews)), report.Duration(s.Uncached),
			report.Megabytes(s.Program), report.Megabytes(s.Engine), report.Megabytes(s.State), report.Duration(s.Down))
	}
	return t
}

// RolloutTable returns the table of rollouts.
func (r Results) RolloutTable() report.Table {
	t := report.Table{Columns: []string{"pods of the service", "`make up` after a change", "calls meanwhile", "failed"}}
	for _, rollout := range r.Rollouts {
		t.Add(fmt.Sprint(rollout.Pods), report.Duration(rollout.Took), report.Thousands(float64(rollout.Calls)), fmt.Sprint(rollout.Failed))
	}
	return t
}

// StepTable returns the table of what each additional service costs.
func (r Results) StepTable() report.Table {
	t := report.Table{Columns: []string{"from … to services", "`make up`", "preview, no change", "program's memory", "engine's memory", "state"}}
	for i, s := range r.steps() {
		up := fmt.Sprintf("%.2f s", s.up.Seconds())
		if i == 0 { // the first scale has more pods for each service
			up = "–"
		}
		t.Add(s.services, up, fmt.Sprintf("%.3f s", s.preview.Seconds()),
			fmt.Sprintf("%.2f MB", s.program/1e6), fmt.Sprintf("%.2f MB", s.engine/1e6), fmt.Sprintf("%.1f kB", s.state/1e3))
	}
	return t
}

// BuildTable returns the table of builds of the program.
func (r Results) BuildTable() report.Table {
	t := report.Table{Columns: []string{"`go build ./infra`", "time", "memory at its peak"}}
	add := func(what string, b Build) { t.Add(what, report.Duration(b.Took), report.Gigabytes(b.Memory)) }
	add("after a change in `infra/main.go`", r.Rebuilt)
	if r.Cold != nil {
		for _, b := range r.Cold.Builds {
			add("empty build cache, "+b.Title, b.Build)
		}
	}
	return t
}

// TargetTable returns the table of the targets that could be measured.
func (r Results) TargetTable() report.Table { return report.Targets(r.targets()) }

// preview holds the times of one kind of preview.
type preview struct {
	title, short string
	times        []time.Duration
}

// previews returns the kinds that were measured in turns. The first is the engine's floor.
func (r Results) previews() []preview {
	return []preview{
		{"a program that does nothing: the engine's floor", "empty program", r.Empty},
		{"the sandbox's stack", "this stack", r.Whole},
		{"the sandbox's stack with the policy pack: `make preview`", "with the policy pack", r.Checked},
	}
}
