package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestFaultsAreAddedListedAndCleared(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct{ words, want string }{
		{"", "[]"},
		{"quota kind=Cluster count=1", "[quota kind=Cluster count=1]"},
		{"slow seconds=60", "[quota kind=Cluster count=1 slow seconds=60]"},
		{"", "[quota kind=Cluster count=1 slow seconds=60]"},
		{"clear", "[]"},
		{"", "[]"},
	} {
		got, err := changeFaults(dir, strings.Fields(step.words))
		if err != nil || fmt.Sprint(got) != step.want {
			t.Errorf("faults %s = %v, %v, want %s", step.words, got, err, step.want)
		}
	}
	if _, err := changeFaults(dir, []string{"bogus"}); err == nil || !strings.Contains(err.Error(), "rate-limit") {
		t.Errorf("faults bogus = %v, want the answers that there are", err)
	}
}
