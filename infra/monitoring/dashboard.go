package monitoring

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"example.com/grpc-edge/envoy"
)

// The grid of a mosaic layout, in its columns (Cloud Monitoring API,
// projects.dashboards, MosaicLayout).
const (
	columns    = 48
	tileWidth  = columns / 2
	tileHeight = 16
	// perDashboard is the number of services on a dashboard beside the overview. A
	// dashboard takes 100 widgets (Cloud Monitoring, "Quotas and limits"), and a service
	// has 2.
	perDashboard = 40
)

// dashboard is a page of charts.
type dashboard struct {
	title  string
	charts []chart
	// namespace of the metrics.
	namespace string
}

// chart shows one query over time.
type chart struct {
	title, unit string
	query       func(selector string) string
}

// series returns the query, with its unit if it has one. The API drops empty fields, and a
// field that is sent but not kept would be a permanent diff.
func (c chart) series(selector string) map[string]any {
	series := map[string]any{"prometheusQuery": c.query(selector)}
	if c.unit != "" {
		series["unitOverride"] = c.unit
	}
	return series
}

// dashboards returns the dashboards, with charts for each backend. The first one begins
// with an overview of all services.
func dashboards(args *Args) []dashboard {
	var list []dashboard
	for i, group := range slices.Collect(slices.Chunk(args.Config.Backends, perDashboard)) {
		page := dashboard{title: args.Title, namespace: args.NamespaceName}
		if i > 0 {
			page.title = fmt.Sprintf("%s (%d)", args.Title, i+1)
		} else {
			page.charts = overview()
		}
		for _, backend := range group {
			page.charts = append(page.charts, backendCharts(backend)...)
		}
		list = append(list, page)
	}
	return list
}

// json returns the dashboard in the JSON of Cloud Monitoring.
func (d dashboard) json(cluster string) (string, error) {
	type object = map[string]any
	var tiles []object
	for i, c := range d.charts {
		tile := object{
			"width": tileWidth, "height": tileHeight,
			"widget": object{
				"title": c.title,
				"xyChart": object{
					"dataSets": []object{{
						"plotType": "LINE", "targetAxis": "Y1",
						"timeSeriesQuery": c.series(selector(cluster, d.namespace)),
					}},
					"yAxis": object{"scale": "LINEAR"},
				},
			},
		}
		// The API drops a position of 0, like all empty fields.
		if x := i % 2 * tileWidth; x > 0 {
			tile["xPos"] = x
		}
		if y := i / 2 * tileHeight; y > 0 {
			tile["yPos"] = y
		}
		tiles = append(tiles, tile)
	}
	content, err := json.Marshal(object{
		"displayName":  d.title,
		"mosaicLayout": object{"columns": columns, "tiles": tiles},
	})
	return string(content), err
}

func backendCharts(b envoy.Backend) []chart {
	var services []string
	for _, s := range b.Services {
		services = append(services, strings.ReplaceAll(string(s.FullName()), ".", "\\\\."))
	}
	pattern := strings.Join(services, "|")
	return []chart{
		{b.Name + ": calls by method and status", "1/s", callsByMethod(pattern)},
		{b.Name + ": p99 by method", "ms", latencyByMethod(pattern)},
	}
}
