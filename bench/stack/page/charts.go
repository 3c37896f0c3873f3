package page

import (
	"fmt"
	"slices"
	"time"

	"example.com/grpc-edge/bench/chart"
)

func (r Results) charts() map[string]chart.Chart {
	charts := map[string]chart.Chart{
		"benchmark-stack-preview.svg":  r.previewChart(),
		"benchmark-stack-services.svg": r.servicesChart(),
	}
	if r.Cold != nil {
		charts["benchmark-stack-build.svg"] = r.buildChart()
	}
	return charts
}

func (r Results) previewChart() chart.Chart {
	c := chart.Chart{
		Title: "A preview that finds no change: less is better", Accent: 1,
		Description: "Seconds of each preview. The figures are in the table below.",
		Panels:      []chart.Panel{{Title: "fastest", Format: shortSeconds}, {Title: "median", Format: shortSeconds}, {Title: "slowest", Format: shortSeconds}},
	}
	for _, p := range r.Previews() {
		c.Rows = append(c.Rows, p.Short)
		for i, t := range []time.Duration{slices.Min(p.Times), median(p.Times), slices.Max(p.Times)} {
			c.Panels[i].Values = append(c.Panels[i].Values, t.Seconds())
		}
	}
	return c
}

func (r Results) servicesChart() chart.Chart {
	c := chart.Chart{
		Title: "As services grow: less is better", Accent: -1,
		Description: "Time, memory and state of stacks with more and more services. The figures are in the table below.",
	}
	for _, s := range r.Scales {
		c.Rows = append(c.Rows, fmt.Sprintf("%d services", s.Services))
	}
	for _, p := range []struct {
		title  string
		format func(float64) string
		value  func(Scale) float64
	}{
		{"preview", shortSeconds, func(s Scale) float64 { return median(s.Previews).Seconds() }},
		{"program's memory", func(v float64) string { return fmt.Sprintf("%.0f MB", v/1e6) }, func(s Scale) float64 { return float64(s.Program) }},
		{"state", func(v float64) string { return megabytes(uint64(v)) }, func(s Scale) float64 { return float64(s.State) }},
		{"make up", shortSeconds, func(s Scale) float64 { return s.Up.Seconds() }},
		{"make down", shortSeconds, func(s Scale) float64 { return s.Down.Seconds() }},
	} {
		panel := chart.Panel{Title: p.title, Format: p.format}
		for _, s := range r.Scales {
			panel.Values = append(panel.Values, p.value(s))
		}
		c.Panels = append(c.Panels, panel)
	}
	return c
}

func (r Results) buildChart() chart.Chart {
	c := chart.Chart{
		Title: "Compiling infra with an empty build cache: less is better", Accent: 0,
		Description: "Time and memory of go build with different settings. The figures are in the table below.",
		Panels: []chart.Panel{
			{Title: "time", Format: func(v float64) string { return fmt.Sprintf("%.0f s", v) }},
			{Title: "memory at its peak", Format: func(v float64) string { return gigabytes(uint64(v)) }},
		},
	}
	for _, b := range r.Cold.Builds {
		c.Rows = append(c.Rows, b.Short)
		c.Panels[0].Values = append(c.Panels[0].Values, b.Took.Seconds())
		c.Panels[1].Values = append(c.Panels[1].Values, float64(b.Memory))
	}
	return c
}

func shortSeconds(v float64) string { return fmt.Sprintf("%.1f s", v) }
