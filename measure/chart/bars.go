package chart

import "slices"

// Bars describes panels of bars side by side. Each panel has its own scale.
type Bars struct {
	Title, Description string
	// Rows name the bars of each panel.
	Rows []string
	// Accent is the index of the highlighted row, or -1.
	Accent int
	Panels []Panel
}

// Add adds a row with its value in each panel.
func (b *Bars) Add(row string, values ...float64) {
	b.Rows = append(b.Rows, row)
	for i, value := range values {
		b.Panels[i].Values = append(b.Panels[i].Values, value)
	}
}

// Panel describes one panel. It has a value for each row. Bars begin at 0.
type Panel struct {
	Title  string
	Values []float64
	// Format writes a value beside its bar.
	Format func(float64) string
}

// These are the dimensions of a chart of bars.
const (
	labelWidth = 190
	panelGap   = 16
	valueWidth = 62 // right of the longest bar
	rowHeight  = 26
	barHeight  = 16
	barsTop    = 70
	// ascent is the distance from the middle of a text to its baseline.
	ascent = 4
)

// SVG returns the chart.
func (b Bars) SVG() string {
	var d drawing
	d.text("ink head", start, 16, 28, b.Title)
	for row, label := range b.Rows {
		d.text(b.class(row), end, labelWidth-12, rowMiddle(row)+ascent, label)
	}
	each := float64(width-labelWidth) / float64(len(b.Panels))
	bottom := barsTop + rowHeight*len(b.Rows) + 2
	for i, p := range b.Panels {
		x := labelWidth + float64(i)*each
		d.text("soft", start, x, 58, p.Title)
		d.line("axis", x, barsTop-2, x, float64(bottom))
		longest := slices.Max(append([]float64{0}, p.Values...))
		for row, value := range p.Values {
			length := 0.0
			if longest > 0 {
				length = value / longest * (each - panelGap - valueWidth)
			}
			d.rect(b.class(row), x, rowMiddle(row)-barHeight/2, length, barHeight, 2)
			d.text(b.class(row), start, x+length+6, rowMiddle(row)+ascent, p.Format(value))
		}
	}
	return d.svg(bottom+12, b.Title, b.Description)
}

func (b Bars) class(row int) string {
	if row == b.Accent {
		return "accent"
	}
	return "other"
}

func rowMiddle(row int) float64 { return barsTop + rowHeight*float64(row) + rowHeight/2 }
