package languagehost

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMain lets the test binary be the plugin: the CLI starts it through a link
// of the plugin's name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "pulumi-language-go" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}
