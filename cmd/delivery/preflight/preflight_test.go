package preflight

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const root = "../../.."

// TestStacks checks that every stack of the repository and of infra/variants.yaml is previewed, and
// that together they set every key that Pulumi.yaml declares.
func TestStacks(t *testing.T) {
	t.Parallel()
	stacks, err := Stacks(root)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	var names []string
	for _, s := range stacks {
		names = append(names, s.Name)
		for key := range s.Config {
			set[key] = true
		}
		for key := range s.Secrets {
			set[key] = true
		}
		text, err := s.file("http://google")
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []string{placeholder, "203.0.113.0/24", "PRIVATE KEY"} {
			if strings.Contains(string(text), wrong) {
				t.Errorf("the file of %s has %s:\n%s", s.Name, wrong, text)
			}
		}
	}
	for _, name := range []string{"dev", "prod", "sandbox", "delivery", "autopilot", "everything"} {
		if !slices.Contains(names, name) {
			t.Errorf("previewed are %v, and not %s", names, name)
		}
	}
	var project struct{ Config map[string]any }
	if err := readYAML(filepath.Join(root, "Pulumi.yaml"), &project); err != nil {
		t.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(project.Config)) {
		if !set[program+key] {
			t.Errorf("no stack sets %s: add it to infra/variants.yaml", key)
		}
	}
}

// standIn is a Pulumi CLI that records its arguments, and refuses one stack.
const standIn = `#!/bin/sh
echo "$PULUMI_BACKEND_URL $GOOGLE_APPLICATION_CREDENTIALS $*" >> "$ASKED"
case "$*" in
"plugin ls --json") cat "$PLUGINS";;
"plugin install"*) echo "no way to the download site" >&2; exit 1;;
*"config set"*) cat >> "$ASKED";;
*"preview --stack dev"*) cat Pulumi.dev.yaml; echo "error: a policy is broken"; exit 255;;
*preview*) echo "    + 79 to create";;
esac
`

// fly runs preflight with the stand-in, and the plugins that are given.
func fly(t *testing.T, plugins string, only ...string) (out, asked string, err error) {
	t.Helper()
	bin := t.TempDir()
	for name, text := range map[string]string{"pulumi": standIn, "pulumi-language-go": standIn, "plugins": plugins} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(bin, "asked")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("ASKED", log)
	t.Setenv("PLUGINS", filepath.Join(bin, "plugins"))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/credentials.json")
	var printed bytes.Buffer
	err = Run(t.Context(), Options{Root: root, Only: only, Out: &printed})
	text, _ := os.ReadFile(log)
	return printed.String(), string(text), err
}

// all has the plugins of the SDKs in infra/go.mod.
func all(t *testing.T) string {
	t.Helper()
	plugins, err := required(root)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]string
	for _, p := range plugins {
		list = append(list, map[string]string{"name": p.Name, "kind": "resource", "version": p.Version})
	}
	text, err := yaml.Marshal(list)
	if err == nil {
		text, err = yaml.YAMLToJSON(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRun(t *testing.T) {
	out, asked, err := fly(t, all(t), "sandbox", "everything")
	if err != nil || !strings.Contains(out, "everything: + 79 to create") || !strings.Contains(out, "2 stacks can be previewed") {
		t.Errorf("got %q, %v, want both stacks", out, err)
	}
	for _, want := range []string{
		"stack init everything --no-select", "config set --secret grpc-edge:certificateKeyPem --stack everything", "-----BEGIN PRIVATE KEY-----",
		"preview --stack everything --policy-pack policy", "file:///",
	} {
		if !strings.Contains(asked, want) {
			t.Errorf("Pulumi was not asked for %q:\n%s", want, asked)
		}
	}
	for line := range strings.Lines(asked) {
		if strings.Contains(line, "preview") && strings.Contains(line, "credentials.json") {
			t.Errorf("Pulumi was given somebody's credentials: %s", line)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "Pulumi.everything.yaml")); err == nil {
		t.Error("the repository has a file of a stack that is only previewed")
	}
}

func TestRunNamesWhatFails(t *testing.T) {
	out, _, err := fly(t, all(t), "dev", "sandbox")
	if err == nil || err.Error() != "1 of 2 stacks cannot be previewed: dev" {
		t.Errorf("error = %v, want dev and no other", err)
	}
	for _, want := range []string{"a policy is broken", benchmark, "gcp:skipRegionValidation: true", "sandbox: + 79 to create"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %q, want %q", out, want)
		}
	}
	if _, _, err := fly(t, all(t), "nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("an unknown stack gave %v", err)
	}
}

// TestMissingPlugins checks that nothing is previewed without the plugins, and that the error says
// how to get each.
func TestMissingPlugins(t *testing.T) {
	out, asked, err := fly(t, `[{"name": "gcp", "kind": "resource", "version": "1.0.0"}]`)
	if err == nil || strings.Contains(asked, "preview") {
		t.Fatalf("without plugins: %v, and asked %s", err, asked)
	}
	plugins, requiredErr := required(root)
	if requiredErr != nil || len(plugins) != 3 {
		t.Errorf("infra needs the plugins %v (%v), want gcp, kubernetes and tls", plugins, requiredErr)
	}
	for _, p := range plugins {
		if want := "pulumi plugin install resource " + p.Name + " " + p.Version; !strings.Contains(err.Error(), want) || !strings.Contains(out, "fetching the plugin "+p.Name) {
			t.Errorf("got %v and %q, want to be told: %s", err, out, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if err := install(t.Context(), plugins, io.Discard); err == nil || !strings.Contains(err.Error(), "the Pulumi CLI is missing") ||
		!strings.Contains(err.Error(), "fetches the plugins "+list(plugins)) {
		t.Errorf("without the CLI: %v", err)
	}
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	server := serveGoogle()
	defer server.Close()
	const key = "/kms/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k"
	for path, want := range map[string]string{
		"/resourcemanager/v1/projects/my-project":     `"projectNumber":"` + projectNumber + `"`,
		key + "/cryptoKeyVersions/1":                  `"state":"ENABLED"`,
		key:                                           `"purpose":"ASYMMETRIC_SIGN"`,
		key + "/cryptoKeyVersions/1/publicKey":        "BEGIN PUBLIC KEY",
		"/billing/v1/projects/my-project/billingInfo": "accessNotConfigured",
	} {
		response, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s (%v), want %s", path, text, err, want)
		}
	}
}
