package stackpage

import (
	"fmt"
	"slices"

	"example.com/grpc-edge/measure/chart"
	"example.com/grpc-edge/measure/report"
)

// charts returns the charts by file name.
func (r Results) charts() map[string]string {
	charts := map[string]string{
		"benchmark-stack-preview.svg":  r.previewChart(),
		"benchmark-stack-services.svg": r.servicesChart(),
	}
	if r.Cold != nil {
		charts["benchmark-stack-build.svg"] = r.buildChart()
	}
	return charts
}

func (r Results) previewChart() string {
	c := chart.Bars{
		Title: "A preview that finds no change: less is better", Accent: 1,
		Description: "Seconds of each preview. The figures are in the table below.",
		Panels:      []chart.Panel{{Title: "fastest", Format: report.Seconds}, {Title: "median", Format: report.Seconds}, {Title: "slowest", Format: report.Seconds}},
	}
	for _, p := range r.previews() {
		c.Add(p.short, slices.Min(p.times).Seconds(), report.Median(p.times).Seconds(), slices.Max(p.times).Seconds())
	}
	return c.SVG()
}

func (r Results) servicesChart() string {
	c := chart.Bars{
		Title: "As services grow: less is better", Accent: -1,
		Description: "Time, memory and state of stacks with more and more services. The figures are in the table below.",
		Panels: []chart.Panel{
			{Title: "preview", Format: report.Seconds}, {Title: "program's memory", Format: report.Megabytes[float64]}, {Title: "state", Format: report.Megabytes[float64]},
			{Title: "make up", Format: report.Seconds}, {Title: "make down", Format: report.Seconds},
		},
	}
	for _, s := range r.Scales {
		c.Add(fmt.Sprintf("%d services", s.Services), report.Median(s.Previews).Seconds(), float64(s.Program), float64(s.State), s.Up.Seconds(), s.Down.Seconds())
	}
	return c.SVG()
}

func (r Results) buildChart() string {
	c := chart.Bars{
		Title: "Compiling infra with an empty build cache: less is better", Accent: 0,
		Description: "Time and memory of go build with different settings. The figures are in the table below.",
		Panels:      []chart.Panel{{Title: "time", Format: report.Seconds}, {Title: "memory at its peak", Format: report.Gigabytes[float64]}},
	}
	for _, b := range r.Cold.Builds {
		c.Add(b.Short, b.Took.Seconds(), float64(b.Memory))
	}
	return c.SVG()
}
