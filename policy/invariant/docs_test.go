package invariant

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"gotest.tools/v3/golden"
)

const (
	docs  = "../../docs/policy.md"
	begin = "<!-- rules: go test ./invariant -update in policy writes what is below -->\n"
	end   = "<!-- rules: end -->\n"
)

// TestDocs checks that the documentation matches the table of rules.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatalf("%s lacks %q or %q", docs, begin, end)
	}
	want := before + begin + markdown() + end + after
	golden.Assert(t, want, "../"+docs) // from testdata
}

func markdown() string {
	table := "\n| rule | what holds | why | source |\n|---|---|---|---|\n"
	for _, r := range Rules(Settings{}) {
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", r.Name, r.What, r.Why, r.Source)
	}
	return table + "\n"
}
