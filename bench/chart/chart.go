// Package chart draws bar charts as SVG, in one style for all benchmarks of this repository.
package chart

import (
	_ "embed"
	"slices"
	"strings"
	"text/template"
)

// Chart describes a chart with panels of bars side by side. Each panel has its own scale.
type Chart struct {
	Title, Description string
	// Rows name the bars of each panel.
	Rows []string
	// Accent is the index of the highlighted row, or -1.
	Accent int
	Panels []Panel
}

// Panel describes one panel. It has a value for each row. Bars begin at 0.
type Panel struct {
	Title  string
	Values []float64
	// Format writes a value beside its bar.
	Format func(float64) string
}

// These are the dimensions of a chart in its own units, which are pixels at full size.
const (
	chartWidth = 900
	labelWidth = 190
	panelGap   = 16
	valueWidth = 62 // right of the longest bar
	rowHeight  = 26
	barHeight  = 16
	headHeight = 70
)

// bar describes a text or a bar of a row, and where to draw it.
type bar struct {
	Class, Value        string
	X, Y, Width, Middle float64
	Text                float64 // where the value begins, right of the bar
}

//go:embed chart.svg.tmpl
var chartText string

var chartTemplate = template.Must(template.New("chart").Parse(chartText))

// SVG returns the chart as SVG. It adapts to the reader's light or dark background.
func (c Chart) SVG() (string, error) {
	width := float64(chartWidth-labelWidth)/float64(len(c.Panels)) - panelGap
	data := struct {
		Chart
		Width, Height int
		AxisEnd       int
		Labels        []bar
		Heads         []bar
		Bars          []bar
	}{Chart: c, Width: chartWidth, AxisEnd: headHeight + rowHeight*len(c.Rows) + 2}
	data.Height = data.AxisEnd + 12
	for i, row := range c.Rows {
		data.Labels = append(data.Labels, bar{Class: c.class(i), Value: row, X: labelWidth - 12, Middle: middle(i)})
	}
	for i, p := range c.Panels {
		x := labelWidth + float64(i)*(width+panelGap)
		data.Heads = append(data.Heads, bar{Value: p.Title, X: x})
		longest := slices.Max(append([]float64{0}, p.Values...))
		for row, value := range p.Values {
			length := 0.0
			if longest > 0 {
				length = value / longest * (width - valueWidth)
			}
			data.Bars = append(data.Bars, bar{c.class(row), p.Format(value), x, middle(row) - barHeight/2, length, middle(row), length + 6})
		}
	}
	var text strings.Builder
	err := chartTemplate.Execute(&text, data)
	return text.String(), err
}

func (c Chart) class(row int) string {
	if row == c.Accent {
		return "accent"
	}
	return "other"
}

func middle(row int) float64 { return headHeight + rowHeight*float64(row) + rowHeight/2 }
