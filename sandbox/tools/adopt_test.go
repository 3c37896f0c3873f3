package tools

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestProve(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "go.sum")
	const text = "example.org/cli v1.2.0 h1:cli=\nexample.org/cli v1.2.0/go.mod h1:mod=\nexample.org/sdk v1.2.0 h1:sdk=\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sums, err := readSums(file)
	if err != nil {
		t.Fatal(err)
	}
	cli := debug.Module{Path: "example.org/cli", Version: "v1.2.0", Sum: "h1:cli="}
	sdk := debug.Module{Path: "example.org/sdk", Version: "v1.2.0", Sum: "h1:sdk="}
	changed, newer, clone := sdk, sdk, cli
	changed.Sum, newer.Version = "h1:other=", "v1.3.0"
	clone.Version, clone.Sum = "(devel)", ""
	replaced := debug.Module{Path: "example.org/old", Version: "v0.1.0", Replace: &sdk}
	for name, test := range map[string]struct {
		main debug.Module
		dep  debug.Module
		good bool
	}{
		"as pinned":           {cli, sdk, true},
		"replaced as pinned":  {cli, replaced, true},
		"other sources":       {cli, changed, false},
		"another version":     {cli, newer, false},
		"built in a clone":    {clone, sdk, false},
		"of another program":  {sdk, debug.Module{Path: "example.org/x", Version: "v1.0.0", Sum: "h1:x="}, false},
		"a folder in a build": {cli, debug.Module{Path: "example.org/sdk", Version: "v1.2.0", Replace: &debug.Module{Path: "../sdk"}}, false},
	} {
		err := prove(&debug.BuildInfo{Main: test.main, Deps: []*debug.Module{&test.dep}}, sums)
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAdoptOnlyWhatIsProven checks that what is on PATH and built from other sources is not taken,
// such as this test itself.
func TestAdoptOnlyWhatIsProven(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, folder := t.TempDir(), t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "pulumi")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "go.sum"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	if In(t.TempDir()).adopt("pulumi", "v3.276.0", folder) {
		t.Error("the test was taken for Pulumi")
	}
}
