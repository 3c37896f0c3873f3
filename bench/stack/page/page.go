package page

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// File is the path of the results, relative to the module. Name is the name of the page.
const (
	File = "stack/results.json"
	Name = "benchmark-stack.md"
)

//go:embed page.md.tmpl
var pageText string

var pageTemplate = template.Must(template.New(Name).Funcs(template.FuncMap{
	"date":      func(t time.Time) string { return t.Format(time.DateOnly) },
	"seconds":   seconds,
	"gigabytes": gigabytes,
	"megabytes": megabytes,
	"median":    median,
	"rangeOf":   rangeOf,
	"bytes":     func(n int64) uint64 { return uint64(n) },
	"thousand":  func(n float64) float64 { return n / 1e3 },
	"million":   func(n float64) float64 { return n / 1e6 },
}).Parse(pageText))

// Write writes docs/benchmark-stack.md with its charts, and the table in README.md, in the
// repository at root. notes is text by a person, in Markdown.
func (r Results) Write(root, notes string) error {
	docs := filepath.Join(root, "docs")
	if err := os.MkdirAll(docs, 0o755); err != nil {
		return err
	}
	files, err := r.Files(notes)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o644); err != nil {
			return err
		}
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
	files := map[string]string{}
	for name, c := range r.charts() {
		text, err := c.SVG()
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
		files[name] = text
	}
	var text strings.Builder
	err := pageTemplate.Execute(&text, struct {
		Results
		Notes string
	}{r, notes})
	files[Name] = text.String()
	return files, err
}

func rangeOf(times []time.Duration) string {
	if len(times) == 0 {
		return ""
	}
	least, most := times[0], times[0]
	for _, t := range times {
		least, most = min(least, t), max(most, t)
	}
	return fmt.Sprintf("%.1f to %s", least.Seconds(), seconds(most))
}
