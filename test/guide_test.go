package test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guide holds the commands of a page of the docs, which a test runs as they stand there.
type guide struct {
	checkout
	page string
	// commands lists all of them; left lists those that no test has run yet.
	commands, left []string
}

var (
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
	// inlineCommand matches a command in a sentence.
	inlineCommand = regexp.MustCompile("`((?:make|pulumi|\\.cache/bin/[a-z]+) [^`]+)`")
)

// readGuide reads the commands of a page: the lines of its shell blocks, and those in its
// sentences.
func readGuide(t *testing.T, c checkout, page string) *guide {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", page))
	if err != nil {
		t.Fatal(err)
	}
	g := &guide{checkout: c, page: page}
	for _, block := range shellBlock.FindAllStringSubmatch(string(content), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, " #")
			g.commands = append(g.commands, strings.TrimSpace(line))
		}
	}
	for _, command := range inlineCommand.FindAllStringSubmatch(shellBlock.ReplaceAllString(string(content), ""), -1) {
		g.commands = append(g.commands, command[1])
	}
	if len(g.commands) == 0 {
		t.Fatalf("%s has no command", page)
	}
	g.left = slices.Clone(g.commands)
	return g
}

// run runs a command of the page, with its placeholders replaced as strings.NewReplacer
// does, and returns its output. The Pulumi CLI is that of the sandbox.
func (g *guide) run(ctx context.Context, t *testing.T, command string, placeholders ...string) string {
	t.Helper()
	if !slices.Contains(g.commands, command) {
		t.Fatalf("%s has no command %q: adapt this test", g.page, command)
	}
	replaced := strings.NewReplacer(placeholders...).Replace(command)
	if rest, ok := strings.CutPrefix(replaced, "pulumi "); ok {
		replaced = ".cache/bin/sandbox pulumi -- " + rest
	}
	g.left = slices.DeleteFunc(g.left, func(left string) bool {
		begin, shortened := strings.CutSuffix(left, "…")
		return left == command || shortened && strings.HasPrefix(replaced, begin)
	})
	return g.must(ctx, t, "sh", "-c", replaced)
}

// mustBeDone checks that every command of the page was run.
func (g *guide) mustBeDone(t *testing.T) {
	t.Helper()
	for _, command := range g.left {
		t.Errorf("no test runs %q of %s", command, g.page)
	}
}
