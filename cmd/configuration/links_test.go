package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)]+))?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	unslug  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	name    = regexp.MustCompile("`([^`]+)`")
	// targets matches the targets of make in its file, and made one in a command of a page.
	targets = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	made    = regexp.MustCompile("(?m)(?:`|^)make ([a-z][a-z0-9 -]*)")
	// place matches names and the file that has them: `a` and `b` in [`file`](path).
	place = regexp.MustCompile("((?:`[^` ]+`(?:, | and )?)+) in \\[[^]]*\\]\\(([^)#]+)\\)")
)

// TestLinks checks that each file and heading of the repository that a page links to exists.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, page := range filesOf(t, "*.md", "docs/*.md", "docs/decisions/*.md") {
		for _, found := range link.FindAllStringSubmatch(textOf(t, page), -1) {
			target := page
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(page), found[1])
			}
			if strings.Contains(found[1], ":") {
				continue // another site
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, found[1])
			} else if found[2] != "" && !slices.Contains(anchors(textOf(t, target)), found[2]) {
				t.Errorf("%s links to #%s of %s, which has no such heading", page, found[2], target)
			}
		}
	}
}

// TestTargetsExist checks that make has each target that a page names.
func TestTargetsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, file := range filesOf(t, "Makefile", "*/*.mk", "*/*/*.mk") {
		for _, found := range targets.FindAllStringSubmatch(textOf(t, file), -1) {
			known[found[1]] = true
		}
	}
	for _, page := range filesOf(t, "*.md", "docs/*.md", ".github/*.md") {
		for _, found := range made.FindAllStringSubmatch(textOf(t, page), -1) {
			for _, name := range strings.Fields(found[1]) {
				if !known[name] {
					t.Errorf("%s says `make %s`, and make has no target %s", page, found[1], name)
				}
			}
		}
	}
}

// filesOf returns the files of the repository that match patterns. Each pattern must match some.
func filesOf(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pattern, err)
		}
		all = append(all, files...)
	}
	return all
}

// anchors returns the anchors that GitHub gives to a page's headings.
func anchors(page string) []string {
	var list []string
	for _, found := range heading.FindAllStringSubmatch(page, -1) {
		list = append(list, strings.ReplaceAll(unslug.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-"))
	}
	return list
}

// TestFindingYourWay checks that each file declares, or holds, what sections of pages say is in it.
func TestFindingYourWay(t *testing.T) {
	t.Parallel()
	for title, file := range map[string]string{
		"Finding your way": "docs/architecture.md", "A configuration key": "CONTRIBUTING.md", "An API or a resource of the emulated cloud": "CONTRIBUTING.md",
	} {
		page := filepath.Join(repository, file)
		_, section, _ := strings.Cut(textOf(t, page), "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		expectPlaces(t, page, section)
	}
}

func expectPlaces(t *testing.T, page, section string) {
	t.Helper()
	places := place.FindAllStringSubmatch(section, -1)
	if len(places) == 0 {
		t.Errorf("%s names nothing in a file", page)
	}
	for _, p := range places {
		text := textOf(t, filepath.Join(filepath.Dir(page), p[2]))
		for _, n := range name.FindAllStringSubmatch(p[1], -1) {
			declared := `(?m)^\s*` + regexp.QuoteMeta(n[1]) + `:`
			if strings.HasSuffix(p[2], ".go") {
				declared = `(?m)^(func (\([^)]*\) )?|type |var |const )` + regexp.QuoteMeta(n[1]) + `\b`
			}
			if !regexp.MustCompile(declared).MatchString(text) {
				t.Errorf("%s says that %s is in %s: it is not", page, n[1], p[2])
			}
		}
	}
}

// TestChangesAreDocumented checks that the page that says what a changed key does has each key: by its
// name, by the beginning of several names and "…", or by a link to its group.
func TestChangesAreDocumented(t *testing.T) {
	t.Parallel()
	page := filepath.Join(repository, "docs", "operations.md")
	_, table, _ := strings.Cut(textOf(t, page), "\n### What a changed key does\n")
	table, _, _ = strings.Cut(table, "\n\nThe rules behind")
	var exact, beginnings []string
	for _, found := range name.FindAllStringSubmatch(table, -1) {
		if beginning, several := strings.CutSuffix(found[1], "…"); several {
			beginnings = append(beginnings, beginning)
		}
		exact = append(exact, found[1])
	}
	groups := link.FindAllStringSubmatch(table, -1)
	p, err := readProject(filepath.Join(repository, "Pulumi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range p.groups {
		anchor := anchors("## " + g.title)[0]
		if slices.ContainsFunc(groups, func(found []string) bool { return found[1] == "configuration.md" && found[2] == anchor }) {
			continue
		}
		for _, k := range g.keys {
			begins := func(beginning string) bool { return beginning != "" && strings.HasPrefix(k.name, beginning) }
			if !slices.Contains(exact, k.name) && !slices.ContainsFunc(beginnings, begins) {
				t.Errorf("%s does not say what a change of %s does", page, k.name)
			}
		}
	}
}

func textOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
