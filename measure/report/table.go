// Package report writes measurements for readers: tables in Markdown, numbers, verdicts, and
// the files of a page.
package report

import (
	"slices"
	"strings"
)

// Table describes a table in Markdown.
type Table struct {
	Columns []string
	Rows    [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Remove removes a column.
func (t *Table) Remove(column string) {
	i := slices.Index(t.Columns, column)
	t.Columns = slices.Delete(t.Columns, i, i+1)
	for n, cells := range t.Rows {
		t.Rows[n] = slices.Delete(cells, i, i+1)
	}
}

// String returns the table as lines of Markdown.
func (t Table) String() string {
	var text strings.Builder
	text.WriteString(row(t.Columns) + "|" + strings.Repeat("---|", len(t.Columns)) + "\n")
	for _, cells := range t.Rows {
		text.WriteString(row(cells))
	}
	return text.String()
}

// oneCell replaces what would end a cell or its row.
var oneCell = strings.NewReplacer("\n", " ", "|", `\|`)

func row(cells []string) string {
	var line strings.Builder
	for _, cell := range cells {
		line.WriteString("| " + oneCell.Replace(cell) + " ")
	}
	return line.String() + "|\n"
}
