package preview

import (
	"fmt"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// limit is the maximum number of characters in the body of a comment on GitHub. noteFor
// of them are reserved for the note on what was cut.
const (
	limit   = 65536
	noteFor = 400
)

// Marker returns the first line of the comment about a stack, by which it is found again.
func Marker(stack string) string { return "<!-- grpc-edge preview of " + stack + " -->" }

// Markdown returns the comment about a preview of a stack. commits returns the lines about
// the commits that made an image.
func (p Preview) Markdown(stack string, commits func(image string) []string) string {
	changes := p.changes()
	head := &strings.Builder{}
	fmt.Fprintf(head, "%s\n### %s: %s\n\n", Marker(stack), stack, p.verdict(changes))
	if failures := p.errors(); len(failures) > 0 {
		fmt.Fprintf(head, "%s\n", fenced("", harmless(strings.Join(failures, "\n"))))
	}
	for _, c := range concerns(changes, commits) {
		fmt.Fprintf(head, "**%s**\n\n", c.title)
		for _, line := range c.about {
			if !strings.HasPrefix(line, " ") {
				line = "- " + line
			}
			fmt.Fprintln(head, line)
		}
		fmt.Fprintln(head)
	}
	text := cut(head.String(), limit/2)
	if len(changes) > 0 {
		text += "**All changes**\n\n"
	}
	return appendChanges(text, changes)
}

// verdict returns the result in one line.
func (p Preview) verdict(changes []step) string {
	if len(p.errors()) > 0 {
		return "the preview failed"
	}
	counts := map[string]int{}
	for _, s := range changes {
		counts[s.Op]++
	}
	var parts []string
	for _, operation := range operations {
		if n := counts[operation.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n, operation.op))
		}
	}
	if len(parts) == 0 {
		return "no changes"
	}
	return strings.Join(parts, ", ")
}

// Drift returns the text about the result of `pulumi refresh --preview-only --json`: how
// the real resources differ from those in Pulumi's state.
func (p Preview) Drift(stack string) string {
	changes := p.changes()
	gone := 0
	for _, s := range changes {
		if s.Op == "delete" {
			gone++
		}
	}
	text := fmt.Sprintf("%d changed and %d deleted outside of Pulumi since it last deployed %s.\n\n"+
		"`pulumi up --refresh --stack %s` restores them. To keep a change, add it to the program first. "+
		"In the diffs, `+` is what was found.\n\n", len(changes)-gone, gone, stack, stack)
	return appendChanges(text, changes)
}

// appendChanges adds the diffs as long as they fit: what is left out is named,
// or at least counted.
func appendChanges(text string, changes []step) string {
	left := 0
	for _, s := range changes {
		block := details(s)
		if left > 0 || len(text)+len(block) > limit-noteFor {
			left++
			continue
		}
		text += block
	}
	if left > 0 {
		text += fmt.Sprintf("\n_%d more of %d changes do not fit into a comment; the job's log has them all._\n", left, len(changes))
	}
	return text
}

// details returns the diff of one resource, folded, or a line for a change without a diff.
func details(s step) string {
	summary := fmt.Sprintf("<code>%s</code> %s <b>%s</b>", s.sign(), s.Op, escape(s.name()))
	var lines strings.Builder
	for _, p := range s.properties() {
		lines.WriteString(p.diff())
	}
	body := lines.String()
	// HTML ends at an empty line (CommonMark, "HTML blocks"): without one, what follows would be a part of it.
	if s.Op == "delete" || body == "" {
		reasons := ""
		if len(s.ReplaceReasons) > 0 {
			reasons = ", because of " + strings.Join(s.ReplaceReasons, ", ")
		}
		return fmt.Sprintf("<div>%s%s</div>\n\n", summary, escape(reasons))
	}
	const most = limit / 8 // for one resource
	return fmt.Sprintf("<details><summary>%s</summary>\n\n%s\n</details>\n\n", summary, fenced("diff", cut(body, most)))
}

// diff returns the property before and after. For text it returns the lines that differ.
func (p property) diff() string {
	switch {
	case p.old == nil:
		return prefixed("+ ", p.path, *p.new)
	case p.new == nil:
		return prefixed("- ", p.path, *p.old)
	case strings.Contains(*p.old, "\n") && strings.Contains(*p.new, "\n"):
		unified, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
			A: difflib.SplitLines(*p.old), B: difflib.SplitLines(*p.new), Context: 2,
		})
		if err == nil { // writing to memory cannot fail
			return "  " + p.path + ":\n" + unified
		}
	}
	return prefixed("- ", p.path, *p.old) + prefixed("+ ", p.path, *p.new)
}

func prefixed(prefix, path, value string) string {
	const widest = 400
	value = strings.TrimRight(cut(value, widest), "\n")
	return prefix + path + ": " + strings.ReplaceAll(value, "\n", "\n"+prefix+"  ") + "\n"
}

// cut shortens a text at the end of a line, and notes that in the text.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	kept := text[:most]
	if end := strings.LastIndex(kept, "\n"); end > most/2 {
		kept = kept[:end+1]
	}
	return fmt.Sprintf("%s… (%d more characters)\n", strings.ToValidUTF8(kept, ""), len(text)-len(kept))
}

// fenced returns a block of code, whatever the text holds (CommonMark, "Fenced code blocks").
func fenced(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + language + "\n" + strings.TrimRight(text, "\n") + "\n" + fence
}

// code returns text as inline code, on one line.
func code(text string) string {
	return "`" + strings.NewReplacer("`", "'", "\n", " ").Replace(text) + "`"
}

func codes(texts []string) string {
	const most = 5
	var list []string
	for _, text := range texts[:min(most, len(texts))] {
		list = append(list, code(text))
	}
	if more := len(texts) - most; more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}

// mention is an @ that mentions nobody. GitHub looks for names after rendering Markdown and
// HTML, where an escaped @ is like any other (cmark issue 366). A zero-width space
// separates the @ from the name.
const mention = "@\u200b"

// escape escapes text inside HTML, for HTML and for Markdown.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", mention, "`", "'").Replace(text)
}
