package main

import (
	"os"
	"strings"
	"testing"
)

// TestPagesHaveTheirNotes compares the published pages with the notes that are included in them.
// After a change of notes, write the page again: `go run . -page`, or `go run ./stack -page`.
func TestPagesHaveTheirNotes(t *testing.T) {
	t.Parallel()
	for notes, page := range map[string]string{"notes.md": "../docs/benchmark.md", "stack/notes.md": "../docs/benchmark-stack.md"} {
		want, err := os.ReadFile(notes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got), strings.TrimSpace(string(want))) {
			t.Errorf("%s does not have the text of bench/%s", page, notes)
		}
	}
}
