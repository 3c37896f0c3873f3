package chart

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Lines describes panels one above the other, each with a line for some of the names.
type Lines struct {
	Title, Subtitle, Description string
	// Names lists the names of lines. Each has the same colour in every panel. There may be
	// four.
	Names  []string
	Panels []LinePanel
}

// LinePanel describes one panel. It has the values of each line, by name.
type LinePanel struct {
	Title string
	Lines map[string][]float64
}

// These are the dimensions of panels with lines.
const (
	panelTop    = 66
	panelHeight = 90
	panelStep   = 124
	// linesEnd is the right end of lines. Their names are right of it.
	linesEnd   = width - right - 90
	nameHeight = 13
)

// SVG returns the chart.
func (l Lines) SVG() string {
	var d drawing
	d.text("ink head", start, 16, 24, l.Title)
	d.text("soft", start, 16, 42, l.Subtitle)
	for i, p := range l.Panels {
		d.panel(p, l.Names, float64(panelTop+panelStep*i))
	}
	return d.svg(panelTop+panelStep*len(l.Panels), l.Title, l.Description)
}

// named describes the name of a line, which is where the line ends.
type named struct {
	name string
	y    float64
}

// panel draws one panel. Its scale begins at 0.
func (d *drawing) panel(p LinePanel, names []string, top float64) {
	most, bottom := 1.0, top+panelHeight
	for _, values := range p.Lines {
		most = slices.Max(append([]float64{most}, values...))
	}
	d.text("soft", start, left, top-6, p.Title)
	d.tick(top, fmt.Sprintf("%.0f", most))
	d.tick(bottom, "0")
	d.line("axis", left, bottom, linesEnd, bottom)
	class := func(name string) string { return "line " + string(rune('a'+slices.Index(names, name))) }
	var ends []named
	for _, name := range names {
		values := p.Lines[name]
		if len(values) < 2 {
			continue
		}
		step := float64(linesEnd-left) / float64(len(values)-1)
		var path strings.Builder
		y := bottom
		for i, value := range values {
			y = bottom - value/most*panelHeight
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], left+step*float64(i), y)
		}
		d.path(class(name), path.String())
		ends = append(ends, named{name, y})
	}
	spread(ends)
	for _, e := range ends {
		d.text(class(e.name), start, linesEnd+6, e.y+ascent, e.name)
	}
}

// spread sorts names from the lowest up, and moves apart those that overlap.
func spread(names []named) {
	slices.SortFunc(names, func(a, b named) int { return cmp.Compare(b.y, a.y) })
	for i := 1; i < len(names); i++ {
		names[i].y = min(names[i].y, names[i-1].y-nameHeight)
	}
}
