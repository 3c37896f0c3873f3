package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/grpc-edge/infra/config/configtest"
)

// keyName matches a key in docs/hardening.md.
var keyName = regexp.MustCompile("`([^`]+)`")

// TestHardeningNamesKeys checks that each row of docs/hardening.md names keys that exist, or says
// that the setting is fixed, and why.
func TestHardeningNamesKeys(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docs", "hardening.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared := configtest.Load(t, root, "")
	rows := 0
	for _, line := range strings.Split(string(content), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| row |") || strings.HasPrefix(line, "|---") {
			continue
		}
		rows++
		if len(cells) != 4 {
			t.Errorf("%q has %d cells, want 4", line, len(cells))
			continue
		}
		row, key, why := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		names := keyName.FindAllStringSubmatch(key, -1)
		if len(names) == 0 && (key != "fixed" || why == "") {
			t.Errorf("%s: the key is %q because %q, want keys, or fixed and a reason", row, key, why)
		}
		for _, name := range names {
			if _, ok := declared["grpc-edge:"+name[1]]; !ok {
				t.Errorf("%s: Pulumi.yaml declares no key %s", row, name[1])
			}
		}
	}
	if rows == 0 {
		t.Error("docs/hardening.md has no rows")
	}
}
