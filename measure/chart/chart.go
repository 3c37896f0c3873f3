// Package chart draws charts as SVG, in one style and with one set of colours for light and
// for dark backgrounds.
package chart

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// width is the width of every chart in its own units, which are pixels at full size.
const width = 900

// left is the space before panels over time, and right the space after them.
const (
	left  = 60
	right = 16
)

// head begins every chart. Its verbs are the height, the title and the description.
const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 %[1]d" role="img" aria-labelledby="t d" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="12">
  <title id="t">%[2]s</title>
  <desc id="d">%[3]s</desc>
  <style>
    .paper { fill: #ffffff } .ink { fill: #1f2933 } .soft { fill: #52606d } .head { font-size: 15px; font-weight: 600 }
    .axis { stroke: #9aa5b1; stroke-width: 1 } .moment { stroke: #5b3da8; stroke-width: 1.5; stroke-dasharray: 4 3 }
    rect.other, .answered { fill: #b8c4d0 } rect.accent, .slowest, .span { fill: #7c5cc4 } .span { opacity: .1 } .failed { fill: #c62828 } .refused { fill: #e0912f }
    .answered, .refused, .failed, .slowest { shape-rendering: crispEdges }
    text.other { fill: #1f2933 } text.accent { fill: #5b3da8; font-weight: 600 }
    path.line { fill: none; stroke: currentColor; stroke-width: 1.5 } text.line { fill: currentColor }
    .a { color: #7c5cc4 } .b { color: #1f7a8c } .c { color: #b5611b } .d { color: #52606d }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0d1117 } .ink { fill: #e4e7eb } .soft { fill: #b3bcc7 }
      .axis { stroke: #66727f } .moment { stroke: #c3b0f2 }
      rect.other, .answered { fill: #4a5663 } rect.accent, .slowest, .span { fill: #a68be6 } .span { opacity: .15 } .failed { fill: #ff6b6b } .refused { fill: #f0b25c }
      text.other { fill: #e4e7eb } text.accent { fill: #c3b0f2 }
      .a { color: #a68be6 } .b { color: #5fbfd3 } .c { color: #eba55f } .d { color: #b3bcc7 }
    }
  </style>
  <rect class="paper" width="900" height="%[1]d" rx="8"/>
`

// drawing holds the elements of a chart.
type drawing struct{ elements strings.Builder }

// These are the parts of a text that may be at its position.
const (
	start  = "start"
	middle = "middle"
	end    = "end"
)

// text writes a text with its baseline at y.
func (d *drawing) text(class, anchor string, x, y float64, text string) {
	fmt.Fprintf(&d.elements, "  <text class=%q x=%s y=%s text-anchor=%q>%s</text>\n", class, at(x), at(y), anchor, html.EscapeString(text))
}

// rect draws a rectangle. Its corners are rounded by the radius.
func (d *drawing) rect(class string, x, y, width, height, radius float64) {
	fmt.Fprintf(&d.elements, "  <rect class=%q x=%s y=%s width=%s height=%s rx=%s/>\n", class, at(x), at(y), at(width), at(height), at(radius))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&d.elements, "  <line class=%q x1=%s x2=%s y1=%s y2=%s/>\n", class, at(x1), at(x2), at(y1), at(y2))
}

// path draws a path, if it is not empty.
func (d *drawing) path(class, path string) {
	if path != "" {
		fmt.Fprintf(&d.elements, "  <path class=%q d=%q/>\n", class, path)
	}
}

// at returns a length as an attribute, with one decimal at most.
func at(v float64) string {
	return strconv.Quote(strconv.FormatFloat(math.Round(10*v)/10, 'f', -1, 64))
}

// svg returns the drawing as an image of the height.
func (d *drawing) svg(height int, title, description string) string {
	return fmt.Sprintf(head, height, html.EscapeString(title), html.EscapeString(description)) + d.elements.String() + "</svg>\n"
}
