package edgepage

import (
	"fmt"
	"time"

	"example.com/grpc-edge/measure/chart"
	"example.com/grpc-edge/measure/report"
)

// charts returns the charts by file name.
func (r Results) charts() map[string]string {
	milliseconds := func(v float64) string { return report.Milliseconds(time.Duration(v * 1e6)) }
	charts := map[string]string{
		"benchmark-throughput.svg": r.loadChart("Calls a second: more is better", report.Thousands, func(f Figures) float64 { return f.PerSecond }),
		"benchmark-p99.svg":        r.loadChart("Latency that 99 % of calls did not exceed: less is better", milliseconds, func(f Figures) float64 { return f.P99.Seconds() * 1e3 }),
		"benchmark-cpu.svg":        r.loadChart("CPU seconds of the proxy for a million calls: less is better", report.Seconds, func(f Figures) float64 { return f.CPU }),
	}
	if len(r.Protocols) > 0 {
		charts["benchmark-protocols.svg"] = r.protocolChart()
	}
	return charts
}

// loadChart draws a figure at each load. It leaves out direct calls: next to them all proxies
// look alike.
func (r Results) loadChart(title string, format func(float64) string, value func(Figures) float64) string {
	c := chart.Bars{Title: title, Accent: -1, Description: title + ". The figures are in the table below."}
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
		var values []float64
		for _, f := range candidate.Figures {
			values = append(values, value(f))
		}
		c.Add(candidate.Title, values...)
	}
	return c.SVG()
}

func (r Results) protocolChart() string {
	last := len(r.ProtocolLoads) - 1
	c := chart.Bars{
		Title: "One method, called by gRPC and by REST", Accent: 0,
		Description: "Calls a second, bytes on the wire and CPU of the edge. The figures are in the table below.",
		Panels: []chart.Panel{
			{Title: fmt.Sprintf("calls/s, %d in flight", r.ProtocolLoads[last]), Format: report.Thousands},
			{Title: "bytes of a call, both ways", Format: report.Thousands},
			{Title: "CPU seconds for a million calls", Format: report.Seconds},
		},
	}
	for _, p := range r.Protocols {
		f := p.Figures[last]
		c.Add(p.Title, f.PerSecond, f.Sent+f.Received, f.CPU)
	}
	return c.SVG()
}
