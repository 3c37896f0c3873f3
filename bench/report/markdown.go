package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"example.com/grpc-edge/bench/chart"
)

//go:embed benchmark.md.tmpl
var markdownText string

var markdownTemplate = template.Must(template.New("benchmark.md").Funcs(template.FuncMap{
	"date":   func(t time.Time) string { return t.Format(time.DateOnly) },
	"header": header,
	"row":    row,
}).Parse(markdownText))

// Write writes benchmark.md, its charts and the results into the folder.
func (r Report) Write(dir string) error {
	files, err := r.Files()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Files returns the files that Write writes, by name.
func (r Report) Files() (map[string]string, error) {
	files := map[string]string{}
	for name, c := range r.charts() {
		text, err := c.SVG()
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", name, err)
		}
		files[name] = text
	}
	var text strings.Builder
	if err := markdownTemplate.Execute(&text, r); err != nil {
		return nil, err
	}
	files["benchmark.md"] = text.String()
	results, err := json.MarshalIndent(r, "", " ")
	files[Results] = string(results) + "\n"
	return files, err
}

// Results is the name of the file beside the page that holds the results.
const Results = "benchmark.json"

// Read reads the results in a folder.
func Read(dir string) (Report, error) {
	var r Report
	text, err := os.ReadFile(filepath.Join(dir, Results))
	if err != nil {
		return r, fmt.Errorf("reading what was measured: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", Results, err)
	}
	return r, nil
}

// Table describes a table in Markdown.
type Table struct {
	Columns []string
	Rows    [][]string
}

// Measures returns the tables that have a column for each load.
func (r Report) Measures() map[string]Table {
	return map[string]Table{
		"throughput": r.table(false, func(f Figures) string { return thousands(f.PerSecond) }),
		"p50":        r.table(false, func(f Figures) string { return milliseconds(f.P50) }),
		"p99":        r.table(false, func(f Figures) string { return milliseconds(f.P99) }),
		"cpu":        r.table(true, func(f Figures) string { return seconds(f.CPU) }),
		"busy":       r.table(true, func(f Figures) string { return percent(f.Busy) }),
	}
}

func (r Report) table(proxiesOnly bool, cell func(Figures) string) Table {
	t := Table{Columns: []string{""}}
	for _, load := range r.Loads {
		t.Columns = append(t.Columns, load.Title)
	}
	for _, c := range r.Candidates {
		if proxiesOnly && c.Kind == Direct {
			continue
		}
		cells := []string{c.Title}
		for _, f := range c.Figures {
			cells = append(cells, cell(f))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

// Rest returns the table of figures that are measured once for each candidate.
func (r Report) Rest() Table {
	t := Table{Columns: []string{"", "version", "peak memory", "spread over three backends", "failed calls"}}
	for _, c := range r.Candidates {
		memory, spread := megabytes(c.Memory), fmt.Sprintf("%.3f", c.Spread)
		if c.Kind == Direct {
			memory, spread = "–", "–"
		}
		t.Rows = append(t.Rows, []string{c.Title, c.Version, memory, spread, fmt.Sprint(c.Failed)})
	}
	return t
}

// ProtocolTable returns the comparison of protocols. It has a row for each at each load.
func (r Report) ProtocolTable() Table {
	t := Table{Columns: []string{"", "calls in flight", "calls/s", "p50", "p99", "bytes sent", "bytes received", "CPU of the edge for a million"}}
	for i, inFlight := range r.ProtocolLoads {
		for _, p := range r.Protocols {
			f := p.Figures[i]
			t.Rows = append(t.Rows, []string{p.Title, fmt.Sprint(inFlight), thousands(f.PerSecond), milliseconds(f.P50), milliseconds(f.P99),
				thousands(f.Sent), thousands(f.Received), seconds(f.CPU)})
		}
	}
	return t
}

// TargetTable returns each comparison with its ratio at each load. Missed targets are bold.
func (r Report) TargetTable() Table {
	t := Table{Columns: []string{"", "wanted"}}
	for _, load := range r.Loads {
		t.Columns = append(t.Columns, load.Title)
	}
	for _, targets := range r.loadTargets() {
		var what, wanted string
		var cells []string
		for _, target := range targets {
			if target == nil {
				cells = append(cells, "–")
				continue
			}
			what, wanted = target.What, target.Wanted()
			cells = append(cells, verdict(*target))
		}
		t.Rows = append(t.Rows, append([]string{what, wanted}, cells...))
	}
	return t
}

// DistanceTable returns the throughput of each edge divided by that of each other proxy.
func (r Report) DistanceTable() Table {
	t := Table{Columns: []string{"calls/s"}}
	for _, load := range r.Loads {
		t.Columns = append(t.Columns, load.Title)
	}
	for _, edge := range r.Candidates {
		if edge.Kind != Edge {
			continue
		}
		for _, other := range r.Candidates {
			if other.Kind != Minimal && other.Kind != Rival {
				continue
			}
			cells := []string{edge.Title + " ÷ " + other.Title}
			for i := range r.Loads {
				cells = append(cells, fmt.Sprintf("%.2f", edge.Figures[i].PerSecond/other.Figures[i].PerSecond))
			}
			t.Rows = append(t.Rows, cells)
		}
	}
	return t
}

// ScaleTable returns the table with a row for each number of services.
func (r Report) ScaleTable() Table {
	t := Table{Columns: []string{r.ScaleLoad, "calls/s", "p50", "p99", "CPU for a million", "peak memory"}}
	for _, s := range r.Scales {
		f := s.Figures
		t.Rows = append(t.Rows, []string{s.Title, thousands(f.PerSecond), milliseconds(f.P50), milliseconds(f.P99), seconds(f.CPU), megabytes(s.Memory)})
	}
	return t
}

// OtherTargetTable returns the table of the targets that do not depend on the load.
func (r Report) OtherTargetTable() Table {
	t := Table{Columns: []string{"", "wanted", "measured"}}
	for _, target := range r.otherTargets() {
		t.Rows = append(t.Rows, []string{target.What, target.Wanted(), verdict(target)})
	}
	return t
}

func verdict(t Target) string {
	if t.Met() {
		return fmt.Sprintf("%.2f met", t.Ratio)
	}
	return fmt.Sprintf("**%.2f missed**", t.Ratio)
}

// Missed lists targets that were not met, a line each.
func (r Report) Missed() []string {
	var list []string
	for _, t := range r.missed() {
		where := ""
		if t.Load != "" {
			where = " (" + t.Load + ")"
		}
		list = append(list, fmt.Sprintf("%s%s: %.3f, wanted %s", t.What, where, t.Ratio, t.Wanted()))
	}
	return list
}

// Failures returns a line for each candidate with failed calls: their number and the first
// failure.
func (r Report) Failures() []string {
	var list []string
	for _, c := range r.Candidates {
		if c.Failed > 0 {
			list = append(list, fmt.Sprintf("%s: %d, the first: `%s`", c.Title, c.Failed, c.Failure))
		}
	}
	return list
}

func (r Report) charts() map[string]chart.Chart {
	charts := map[string]chart.Chart{
		"benchmark-throughput.svg": r.loadChart("Calls a second: more is better",
			func(f Figures) float64 { return f.PerSecond }, thousands),
		"benchmark-p99.svg": r.loadChart("Latency that 99 % of calls did not exceed: less is better",
			func(f Figures) float64 { return f.P99.Seconds() * 1e3 }, func(v float64) string { return milliseconds(time.Duration(v * 1e6)) }),
		"benchmark-cpu.svg": r.loadChart("CPU seconds of the proxy for a million calls: less is better",
			func(f Figures) float64 { return f.CPU }, seconds),
	}
	if len(r.Protocols) > 0 {
		charts["benchmark-protocols.svg"] = r.protocolChart()
	}
	return charts
}

// loadChart returns the chart of a figure at each load. It leaves out direct calls: next to
// them all proxies look alike.
func (r Report) loadChart(title string, value func(Figures) float64, format func(float64) string) chart.Chart {
	c := chart.Chart{Title: title, Accent: -1, Description: title + ". The figures are in the table below."}
	for _, load := range r.Loads {
		c.Panels = append(c.Panels, chart.Panel{Title: load.Key, Format: format})
	}
	for _, candidate := range r.Candidates {
		if candidate.Kind == Direct {
			continue
		}
		if candidate.Kind == Edge && c.Accent < 0 {
			c.Accent = len(c.Rows)
		}
		c.Rows = append(c.Rows, candidate.Title)
		for i, f := range candidate.Figures {
			c.Panels[i].Values = append(c.Panels[i].Values, value(f))
		}
	}
	return c
}

func (r Report) protocolChart() chart.Chart {
	last := len(r.ProtocolLoads) - 1
	c := chart.Chart{Title: "One method, called by gRPC and by REST", Accent: 0,
		Description: "Calls a second, bytes on the wire and CPU of the edge. The figures are in the table below."}
	inFlight := fmt.Sprintf("%d in flight", r.ProtocolLoads[last])
	c.Panels = []chart.Panel{
		{Title: "calls/s, " + inFlight, Format: thousands},
		{Title: "bytes of a call, both ways", Format: thousands},
		{Title: "CPU seconds for a million calls", Format: seconds},
	}
	for _, p := range r.Protocols {
		c.Rows = append(c.Rows, p.Title)
		f := p.Figures[last]
		for i, value := range []float64{f.PerSecond, f.Sent + f.Received, f.CPU} {
			c.Panels[i].Values = append(c.Panels[i].Values, value)
		}
	}
	return c
}

func header(t Table) string {
	return row(t.Columns) + "\n|" + strings.Repeat("---|", len(t.Columns))
}

func row(cells []string) string { return "| " + strings.Join(cells, " | ") + " |" }
