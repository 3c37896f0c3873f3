package main

import (
	"bytes"
	"strings"
)

// pulumiOutput reads what `pulumi up` prints when it is not on a terminal: one
// line an event, then "Policies:" with the rules that are broken, "Diagnostics:" with what
// else went wrong, and "Resources:" with counts.
type pulumiOutput struct {
	status func(string)
	text   bytes.Buffer
}

// Write implements io.Writer.
func (p *pulumiOutput) Write(b []byte) (int, error) {
	p.text.Write(b)
	line := strings.TrimSpace(string(b))
	line = strings.TrimSpace(line[strings.LastIndexByte(line, '\n')+1:])
	if line != "" && !strings.HasPrefix(line, "@ ") { // such a line is a heartbeat, and no news
		p.status(line)
	}
	return len(b), nil
}

// section returns the lines below a heading, up to the next one.
func (p *pulumiOutput) section(heading string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(p.text.String()) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == heading:
			inside = true
		case inside && line != "" && !strings.HasPrefix(line, " "):
			return lines
		case inside:
			lines = append(lines, line)
		}
	}
	return lines
}

// diagnostics is what a person needs of a failed run.
func (p *pulumiOutput) diagnostics() string {
	lines := p.section("Diagnostics:")
	if policies := p.section("Policies:"); strings.Contains(strings.Join(policies, "\n"), "[mandatory]") {
		lines = append(policies, lines...)
	}
	if len(lines) > 0 {
		return strings.TrimSpace(strings.Join(lines, "\n"))
	}
	text := p.text.String()
	return strings.TrimSpace(text[max(0, len(text)-2000):])
}

// verdict is the counts in one line, such as "+ 41 created".
func (p *pulumiOutput) verdict() string {
	var counts []string
	for _, line := range p.section("Resources:") {
		if line = strings.TrimSpace(line); line != "" {
			counts = append(counts, line)
		}
	}
	return strings.Join(counts, ", ")
}
