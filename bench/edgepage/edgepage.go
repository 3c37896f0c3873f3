// Package edgepage writes docs/benchmark.md and its charts from the results.
package edgepage

import (
	_ "embed"
	"fmt"
	"path/filepath"

	"example.com/grpc-edge/measure/report"
)

//go:embed benchmark.md.tmpl
var text string

var page = report.Template(text)

// Write writes benchmark.md, its charts and the results into the folder.
func (r Results) Write(dir string) error {
	files, err := r.Files()
	if err != nil {
		return err
	}
	return report.WriteFiles(dir, files)
}

// Files returns the files that Write writes, by name.
func (r Results) Files() (map[string]string, error) {
	files := r.charts()
	var err error
	if files["benchmark.md"], err = report.Execute(page, r); err != nil {
		return nil, err
	}
	files[file], err = report.JSON(r)
	return files, err
}

// file is the name of the file beside the page that holds the results.
const file = "benchmark.json"

// Read reads the results in a folder. Without any they are empty.
func Read(dir string) (Results, error) { return report.Load[Results](filepath.Join(dir, file)) }

// loadColumns returns the columns of a table that has one for each load.
func (r Results) loadColumns(first ...string) []string {
	for _, load := range r.Loads {
		first = append(first, load.Title)
	}
	return first
}

// Measures returns the tables that have a column for each load.
func (r Results) Measures() map[string]report.Table {
	return map[string]report.Table{
		"throughput": r.table(false, func(f Figures) string { return report.Thousands(f.PerSecond) }),
		"p50":        r.table(false, func(f Figures) string { return report.Milliseconds(f.P50) }),
		"p99":        r.table(false, func(f Figures) string { return report.Milliseconds(f.P99) }),
		"cpu":        r.table(true, func(f Figures) string { return report.Seconds(f.CPU) }),
		"busy":       r.table(true, func(f Figures) string { return report.Percent(f.Busy) }),
	}
}

func (r Results) table(proxiesOnly bool, cell func(Figures) string) report.Table {
	t := report.Table{Columns: r.loadColumns("")}
	for _, c := range r.Candidates {
		if proxiesOnly && c.Kind == Direct {
			continue
		}
		cells := []string{c.Title}
		for _, f := range c.Figures {
			cells = append(cells, cell(f))
		}
		t.Add(cells...)
	}
	return t
}

// Rest returns the table of figures that are measured once for each candidate.
func (r Results) Rest() report.Table {
	t := report.Table{Columns: []string{"", "version", "peak memory", "spread over three backends", "failed calls"}}
	for _, c := range r.Candidates {
		memory, spread := report.Megabytes(c.Memory), fmt.Sprintf("%.3f", c.Spread)
		if c.Kind == Direct {
			memory, spread = "–", "–"
		}
		t.Add(c.Title, c.Version, memory, spread, fmt.Sprint(c.Failed))
	}
	return t
}

// ProtocolTable returns the comparison of protocols. It has a row for each at each load.
func (r Results) ProtocolTable() report.Table {
	t := report.Table{Columns: []string{"", "calls in flight", "calls/s", "p50", "p99", "bytes sent", "bytes received", "CPU of the edge for a million"}}
	for i, inFlight := range r.ProtocolLoads {
		for _, p := range r.Protocols {
			f := p.Figures[i]
			t.Add(p.Title, fmt.Sprint(inFlight), report.Thousands(f.PerSecond), report.Milliseconds(f.P50), report.Milliseconds(f.P99),
				report.Thousands(f.Sent), report.Thousands(f.Received), report.Seconds(f.CPU))
		}
	}
	return t
}

// TargetTable returns each comparison with its ratio at each load. Missed targets are bold.
func (r Results) TargetTable() report.Table {
	t := report.Table{Columns: r.loadColumns("", "wanted")}
	for _, c := range r.comparisons() {
		cells := []string{c.what, ""}
		for _, v := range c.byLoad {
			if v == nil {
				cells = append(cells, "–")
				continue
			}
			cells[1] = v.Wanted
			cells = append(cells, v.Markdown())
		}
		t.Add(cells...)
	}
	return t
}

// OtherTargetTable returns the table of the targets that do not depend on the load.
func (r Results) OtherTargetTable() report.Table { return report.Targets(r.others()) }

// DistanceTable returns the throughput of each edge divided by that of each other proxy.
func (r Results) DistanceTable() report.Table {
	t := report.Table{Columns: r.loadColumns("calls/s")}
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
			t.Add(cells...)
		}
	}
	return t
}

// ScaleTable returns the table with a row for each number of services.
func (r Results) ScaleTable() report.Table {
	t := report.Table{Columns: []string{r.ScaleLoad, "calls/s", "p50", "p99", "CPU for a million", "peak memory", "CPU to start", "configuration", "gzipped"}}
	for _, s := range r.Scales {
		f := s.Figures
		t.Add(s.Title, report.Thousands(f.PerSecond), report.Milliseconds(f.P50), report.Milliseconds(f.P99), report.Seconds(f.CPU), report.Megabytes(s.Memory),
			report.Seconds(s.Start.Seconds()), fmt.Sprintf("%.1f MB", float64(s.Size)/1e6), fmt.Sprintf("%.0f kB", float64(s.Packed)/1e3))
	}
	return t
}

// Table returns the table with a row for each variant. Differences are to the first.
func (p Profile) Table() report.Table {
	t := report.Table{Columns: []string{"", "calls/s, 128 in flight", "CPU for a million", "difference", "messages/s, stream", "CPU for a million", "difference", "failed"}}
	for _, v := range p.Variants {
		t.Add(v.Title, report.Thousands(v.Unary.PerSecond), report.Seconds(v.Unary.CPU), difference(v.UnaryRatio),
			report.Thousands(v.Stream.PerSecond), report.Seconds(v.Stream.CPU), difference(v.StreamRatio), fmt.Sprint(v.Failed))
	}
	return t
}

func difference(ratio float64) string { return fmt.Sprintf("%+.0f %%", 100*(ratio-1)) }

// Failures returns a line for each candidate with failed calls: their number and the first
// failure.
func (r Results) Failures() []string {
	var list []string
	for _, c := range r.Candidates {
		if c.Failed > 0 {
			list = append(list, fmt.Sprintf("%s: %d, the first: `%s`", c.Title, c.Failed, c.Failure))
		}
	}
	return list
}
