package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// pulumiOutput parses the output of `pulumi up` without a terminal: one line for each
// event, then "Policies:" with the rules that are broken, "Diagnostics:" with what else
// went wrong, and "Resources:" with counts.
type pulumiOutput struct {
	status func(string)
	text   bytes.Buffer
	mu     sync.Mutex
	// inTheWay is the text that is shown instead of Pulumi's lines, because it says more; empty
	// for none.
	inTheWay string
}

// trouble shows what keeps Pulumi waiting for as long as it does; empty for nothing.
func (p *pulumiOutput) trouble(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inTheWay = strings.ReplaceAll(text, "\n", " "); p.inTheWay != "" {
		p.status(p.inTheWay)
	}
}

// waiting reports whether Pulumi has begun to wait for the pods of a Deployment.
func (p *pulumiOutput) waiting(deployment string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range strings.Lines(p.text.String()) {
		if strings.Contains(line, " kubernetes:apps/v1:Deployment "+deployment+" ") && strings.Contains(line, "; Waiting for app ReplicaSet") {
			return true
		}
	}
	return false
}

// Write implements io.Writer.
func (p *pulumiOutput) Write(b []byte) (int, error) {
	line := strings.TrimSpace(string(b))
	line = strings.TrimSpace(line[strings.LastIndexByte(line, '\n')+1:])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b)
	heartbeat := strings.HasPrefix(line, "@ ") || strings.Trim(line, ".") == ""
	if !heartbeat && p.inTheWay == "" {
		p.status(line)
	}
	return len(b), nil
}

// headings begin the sections of the CLI's output.
var headings = []string{"Policies:", "Diagnostics:", "Outputs:", "Resources:", "Duration:"}

// section returns the lines below a heading, up to the next one. Text of a program or of a
// provider may begin at the left margin, too.
func (p *pulumiOutput) section(heading string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(p.text.String()) {
		line = strings.TrimRight(line, "\n")
		word, _, _ := strings.Cut(line, " ")
		switch {
		case line == heading:
			inside = true
		case inside && slices.Contains(headings, word):
			return lines
		case inside:
			lines = append(lines, line)
		}
	}
	return lines
}

// diagnostics returns what a person needs from a failed run: the errors, or everything if
// there are none. After a run that was cut off, the engine warns at length about operations
// whose outcome it does not know; that would hide the error.
func (p *pulumiOutput) diagnostics() string {
	lines := p.section("Diagnostics:")
	if failed := withoutWarnings(lines); strings.Contains(strings.Join(failed, "\n"), "error:") {
		lines = failed
	}
	if policies := p.section("Policies:"); strings.Contains(strings.Join(policies, "\n"), "[mandatory]") {
		lines = append(policies, lines...)
	}
	if len(lines) > 0 {
		return wrapping.ReplaceAllString(strings.TrimSpace(strings.Join(lines, "\n")), "")
	}
	text := p.text.String()
	return strings.TrimSpace(text[max(0, len(text)-2000):])
}

// wrapping matches the text that Pulumi's SDK for Go writes before an error of the program, and
// before an error of a value that other resources wait for. It tells the reader nothing.
var wrapping = regexp.MustCompile(`an unhandled error occurred: program failed:\s*(waiting for RPCs: )?(marshaling properties: )?(awaiting input property "[^"]*": )?`)

// withoutWarnings returns the lines of the diagnostics without the warnings, and without the
// resources that have nothing else.
func withoutWarnings(lines []string) []string {
	var kept []string
	resource, warning := "", false
	for _, line := range lines {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") && strings.HasSuffix(line, ":"):
			resource, warning = line, false
			continue
		case strings.HasPrefix(text, "warning:"):
			warning = true
		case strings.HasPrefix(text, "error:"):
			warning = false
		}
		if warning || text == "" {
			continue
		}
		if resource != "" {
			kept, resource = append(kept, resource), ""
		}
		kept = append(kept, line)
	}
	return kept
}

// verdict returns the counts in one line, such as "+ 41 created".
func (p *pulumiOutput) verdict() string {
	var counts []string
	for _, line := range p.section("Resources:") {
		if line = strings.TrimSpace(line); line != "" {
			counts = append(counts, line)
		}
	}
	return strings.Join(counts, ", ")
}
