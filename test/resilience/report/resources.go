package report

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/template"
	"time"

	"example.com/grpc-edge/test/fault"
)

//go:embed resources.svg.tmpl
var resourcesText string

var resources = template.Must(template.New("resources").Funcs(template.FuncMap{"colour": colour}).Parse(resourcesText))

// These are the dimensions of the panels, which are one above the other.
const (
	panelTop    = 66
	panelHeight = 90
	panelStep   = 124
	// nameWidth is the width of the names at the ends of the lines.
	nameWidth = 90
)

// panel describes the chart of one resource, with a line for each app.
type panel struct {
	Title, Most string
	Top, Bottom int
	Lines       []line
}

type line struct {
	App, Path string
	Colour    int
	EndX, At  float64 // where its name is
}

// apps lists the apps. Each has the same colour in every panel.
var apps = []string{"envoy", "echo", "reverse", "directory"}

func colour(n int) string { return string(rune('a' + n)) }

// drawResources returns an SVG with a panel for each resource.
func drawResources(o fault.Outcome) (string, error) {
	titles := map[string]string{"memory": "memory, MiB", "descriptors": "file descriptors", "goroutines": "goroutines"}
	var panels []panel
	var lasting time.Duration
	for _, what := range []string{"memory", "descriptors", "goroutines"} {
		p := panel{Title: titles[what], Top: panelTop + panelStep*len(panels)}
		p.Bottom = p.Top + panelHeight
		var list []fault.Series
		most := 1.0
		for _, s := range o.Series {
			if s.What == what && len(s.Values) > 1 {
				list = append(list, s)
				most = max(most, slices.Max(s.Values))
				lasting = max(lasting, s.Every*time.Duration(len(s.Values)))
			}
		}
		p.Most = fmt.Sprintf("%.0f", most)
		for _, s := range list {
			p.Lines = append(p.Lines, drawLine(s, p, most))
		}
		spread(p.Lines)
		panels = append(panels, p)
	}
	var text strings.Builder
	err := resources.Execute(&text, struct {
		Title, Lasting             string
		Width, Height, Left, Right int
		Panels                     []panel
	}{o.Title, fault.Minutes(lasting), width, panelTop + panelStep*len(panels), left, width - right - nameWidth, panels})
	return text.String(), err
}

func drawLine(s fault.Series, p panel, most float64) line {
	l := line{App: s.App, Colour: slices.Index(apps, s.App)}
	step := float64(width-right-nameWidth-left) / float64(len(s.Values)-1)
	var path strings.Builder
	for i, value := range s.Values {
		l.EndX, l.At = left+step*float64(i), float64(p.Bottom)-value/most*panelHeight
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], l.EndX, l.At)
	}
	l.Path = path.String()
	return l
}

// nameHeight is the height of a name.
const nameHeight = 13

// spread moves overlapping names apart, from the lowest up.
func spread(lines []line) {
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, lines[b].At-lines[a].At)) })
	for n, i := range order {
		if n > 0 {
			lines[i].At = min(lines[i].At, lines[order[n-1]].At-nameHeight)
		}
	}
}
