package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProviderKeys checks that the program knows every key that the SDK of gcp reads from a stack.
func TestProviderKeys(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/config").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "config.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"gcp:([a-zA-Z]+)"`).FindAllSubmatch(source, -1)
	if len(found) < 100 {
		t.Fatalf("the SDK reads %d keys, want some 200", len(found))
	}
	known := providerKeys()["gcp"]
	for _, match := range found {
		if key := string(match[1]); !slices.Contains(known, key) {
			t.Errorf("gcp:%s is a key of the SDK, and the program does not know it", key)
		}
	}
}
