package preview

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
)

func noCommits(string) []string { return nil }

// TestComments renders previews that the engine made in the sandbox.
func TestComments(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"create", "none", "update", "replace", "delete", "failure"} {
		content, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := Read(strings.NewReader(string(content)), "")
		if err != nil {
			t.Fatal(err)
		}
		got := d.Markdown("dev", func(image string) []string { return []string{"abc1234 Change " + image} })
		if len(got) > limit {
			t.Errorf("%s: %d characters, at most %d can be posted", name, len(got), limit)
		}
		golden.Assert(t, got, name+".md")
	}
}

// TestViolations renders a preview that violates a mandatory policy in two resources, and one
// that is only advised.
func TestViolations(t *testing.T) {
	t.Parallel()
	p, err := Read(strings.NewReader(`{"diagnostics": [{"message": "error: preview failed\n", "severity": "error"}]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	events, err := os.Open(filepath.Join("testdata", "violation.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	if err := p.AddViolations(events); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, p.Markdown("dev", noCommits), "violation.md")
	if err := p.AddViolations(strings.NewReader("no JSON")); err == nil {
		t.Error("events that are no JSON gave no error")
	}
}

// TestDrift renders what the engine found after an alert was deleted and a node pool
// resized in the sandbox.
func TestDrift(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join("testdata", "drift.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p, err := Read(file, "")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, p.Drift("dev"), "drift.md")
}

// TestImages reads the digests of what runs, also of pods that do not change.
func TestImages(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("ab", 32)
	const deployment = `{"spec":{"template":{"spec":{"containers":[{"image":%q},{"image":%q}],"initContainers":[{"image":%q}]}}}}`
	inputs := fmt.Sprintf(deployment, "host/p/r/echo@"+digest, "host/p/r/other:tag", "host/p/r/drain@"+digest)
	p := one(t, "same", "kubernetes:apps/v1:Deployment", inputs, inputs)
	p.Steps = append(p.Steps,
		one(t, "delete", "kubernetes:apps/v1:Deployment", fmt.Sprintf(deployment, "host/p/r/gone@"+digest, "", ""), "").Steps[0],
		one(t, "create", "kubernetes:core/v1:ConfigMap", "", `{"data":{"x.image":"host/text@`+digest+`"}}`).Steps[0])
	if diff := cmp.Diff(map[string][]string{"echo": {digest}, "drain": {digest}}, p.Images()); diff != "" {
		t.Error(diff)
	}
	if !p.Changed() || p.Failed() {
		t.Errorf("changed %t, failed %t, want a change", p.Changed(), p.Failed())
	}
}

// one returns a preview of one change, from JSON of the inputs.
func one(t *testing.T, op, typ, before, after string) Preview {
	t.Helper()
	s := step{Op: op, URN: "urn:pulumi:dev::grpc-edge::" + typ + "::thing"}
	for inputs, side := range map[string]**state{before: &s.Old, after: &s.New} {
		if inputs == "" {
			continue
		}
		*side = &state{Type: typ, Custom: true}
		if err := json.Unmarshal([]byte(inputs), &(*side).Inputs); err != nil {
			t.Fatal(err)
		}
	}
	return Preview{Steps: []step{s}}
}

func TestConcerns(t *testing.T) {
	t.Parallel()
	const lost, surface, rights, pictures = "Deleted or replaced", "reached from outside", "Rights that grow", "Images"
	tests := map[string]struct {
		op, typ, before, after string
		want                   string // a title; empty for none
		mention                string
	}{
		"a deleted repository":      {"delete", "gcp:artifactregistry/repository:Repository", `{"format":"DOCKER"}`, "", lost, "Repository thing"},
		"a deleted Deployment":      {"delete", "kubernetes:apps/v1:Deployment", `{"spec":{}}`, "", "", ""},
		"a new network":             {"create", "gcp:compute/network:Network", "", `{"a":"b"}`, "", ""},
		"a wider control plane":     {"update", "gcp:container/cluster:Cluster", `{"masterAuthorizedNetworksConfig":{"cidrBlocks":[]}}`, `{"masterAuthorizedNetworksConfig":{"cidrBlocks":[{"cidrBlock":"0.0.0.0/0"}]}}`, surface, "cidrBlocks[0].cidrBlock"},
		"another release channel":   {"update", "gcp:container/cluster:Cluster", `{"releaseChannel":{"channel":"REGULAR"}}`, `{"releaseChannel":{"channel":"RAPID"}}`, "", ""},
		"a new firewall":            {"create", "gcp:compute/firewall:Firewall", "", `{"allows":[{"protocol":"tcp"}]}`, surface, "Firewall thing"},
		"a port of a load balancer": {"update", "kubernetes:core/v1:Service", `{"spec":{"type":"LoadBalancer","ports":[{"port":443}]}}`, `{"spec":{"type":"LoadBalancer","ports":[{"port":80}]}}`, surface, "spec.ports[0].port"},
		"a Service gets an address": {"update", "kubernetes:core/v1:Service", `{"spec":{"type":"ClusterIP"}}`, `{"spec":{"type":"LoadBalancer"}}`, surface, "spec.type"},
		"a Service in the cluster":  {"update", "kubernetes:core/v1:Service", `{"spec":{"ports":[{"port":1}]}}`, `{"spec":{"ports":[{"port":2}]}}`, "", ""},
		"a network policy":          {"update", "kubernetes:networking.k8s.io/v1:NetworkPolicy", `{"spec":{"ingress":[]}}`, `{"spec":{"ingress":[{"from":"all"}]}}`, surface, "spec.ingress[0].from"},
		"routes of Envoy":           {"replace", "kubernetes:core/v1:ConfigMap", `{"data":{"envoy.yaml":"a"}}`, `{"data":{"envoy.yaml":"b"}}`, surface, "envoy.yaml"},
		"a role for someone":        {"create", "gcp:projects/iAMMember:IAMMember", "", `{"role":"roles/owner","member":"user:a@example.com"}`, rights, "`roles/owner` to `user:a@example.com`"},
		"a role taken back":         {"delete", "gcp:projects/iAMMember:IAMMember", `{"role":"roles/owner","member":"user:a@example.com"}`, "", "", ""},
		"a permission more":         {"update", "gcp:projects/iAMCustomRole:IAMCustomRole", `{"permissions":["a"]}`, `{"permissions":["a","b"]}`, rights, "permissions[1]"},
		"a permission less":         {"update", "gcp:projects/iAMCustomRole:IAMCustomRole", `{"permissions":["a","b"]}`, `{"permissions":["a"]}`, "", ""},
		"a container as root":       {"update", "kubernetes:apps/v1:Deployment", `{"spec":{"template":{"spec":{"securityContext":{"runAsUser":1}}}}}`, `{"spec":{"template":{"spec":{"securityContext":{"runAsUser":0}}}}}`, rights, "securityContext.runAsUser"},
		"an image":                  {"update", "kubernetes:apps/v1:Deployment", `{"image":"x"}`, `{"image":"y"}`, "", ""},
		"a built image": {
			"update", "kubernetes:apps/v1:Deployment",
			`{"containers":[{"image":"host/p/r/echo@sha256:` + strings.Repeat("a", 64) + `"}]}`,
			`{"containers":[{"image":"host/p/r/echo@sha256:` + strings.Repeat("b", 64) + `"}]}`,
			pictures, "`echo`: `aaaaaaaaaaaa` becomes `bbbbbbbbbbbb`",
		},
	}
	for name, test := range tests {
		text := one(t, test.op, test.typ, test.before, test.after).Markdown("dev", noCommits)
		attention, _, _ := strings.Cut(text, "**All changes**")
		for _, title := range []string{lost, surface, rights, pictures} {
			if got := strings.Contains(attention, title); got != (title == test.want) {
				t.Errorf("%s: %q is there: %v\n%s", name, title, got, attention)
			}
		}
		if !strings.Contains(attention, test.mention) {
			t.Errorf("%s: no mention of %q in\n%s", name, test.mention, attention)
		}
	}
}

func TestProtectedIsSaidToBeRefused(t *testing.T) {
	t.Parallel()
	d := one(t, "delete", "kubernetes:apps/v1:Deployment", `{"a":"b"}`, "")
	d.Steps[0].Old.Protect = true
	if got := d.Markdown("dev", noCommits); !strings.Contains(got, "protected, so `pulumi up` will refuse") {
		t.Errorf("got\n%s", got)
	}
}

func TestNoSecret(t *testing.T) {
	t.Parallel()
	secrets := []string{
		"-----BEGIN PRIVATE KEY-----\nMIG", "ya29.token", `{"auths":{"x":{"oauth2accesstoken":"y"}}}`, "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln",
	}
	for _, value := range secrets {
		inputs, err := json.Marshal(map[string]any{"a": value, "sealed": map[string]any{signatureKey: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "sealed text"}})
		if err != nil {
			t.Fatal(err)
		}
		d := one(t, "update", "kubernetes:core/v1:ConfigMap", `{"a":"b"}`, string(inputs))
		d.Diagnostics = []diagnostic{{Severity: "error", Message: "got " + value}}
		got := d.Markdown("dev", noCommits)
		if strings.Contains(got, value) || strings.Contains(got, "sealed text") || strings.Count(got, secret) < 3 {
			t.Errorf("got\n%s", got)
		}
	}
}

// TestNothingBreaksOut checks that text which a contributor writes cannot change the page that a
// reviewer reads.
func TestNothingBreaksOut(t *testing.T) {
	t.Parallel()
	d := one(t, "update", "kubernetes:core/v1:ConfigMap", "{\"a\":\"b\"}", "{\"a\":\"x\\n```\\n</details><script>@someone\"}")
	d.Steps[0].URN += "<img>@someone`"
	got := d.Markdown("dev", noCommits)
	for _, line := range []string{"````diff", "&lt;img&gt;@\u200bsomeone'"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
	outside := regexp.MustCompile("(?s)````diff\n.*?\n````\n").ReplaceAllString(got, "")
	for _, text := range []string{"<img>", "<script>", "@someone"} {
		if outside == got || strings.Contains(outside, text) {
			t.Errorf("%q is not in the block of code, but in\n%s", text, outside)
		}
	}
}

// TestLineAfterDetails checks that a change without a diff is rendered like those that have one,
// and not as part of the HTML before it.
func TestLineAfterDetails(t *testing.T) {
	t.Parallel()
	d := one(t, "update", "kubernetes:core/v1:ConfigMap", `{"a":"b"}`, `{"a":"c"}`)
	d.Steps = append(d.Steps, one(t, "create", "kubernetes:core/v1:ConfigMap", "", "{}").Steps...)
	if got := d.Markdown("dev", noCommits); !strings.Contains(got, "</details>\n\n<div><code>+</code>") {
		t.Errorf("got\n%s", got)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	var d Preview
	for i := range 300 {
		next := one(t, "update", "kubernetes:core/v1:ConfigMap", `{"data":{"text":"`+strings.Repeat("a ", 500)+`"}}`, `{"data":{"text":"`+strings.Repeat("ü ", 5000)+`"}}`)
		next.Steps[0].URN += fmt.Sprint(i)
		d.Steps = append(d.Steps, next.Steps...)
	}
	got := d.Markdown("dev", noCommits)
	if len(got) > limit || !strings.Contains(got, "more of 300 changes do not fit") || strings.Count(got, "<details>") != strings.Count(got, "</details>") {
		t.Errorf("%d characters, ending in %q", len(got), got[len(got)-200:])
	}
}

func TestPreviewThatEndedEarly(t *testing.T) {
	t.Parallel()
	if _, err := Read(strings.NewReader(""), ""); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("error = %v, want what to do", err)
	}
	d, err := Read(strings.NewReader(""), "error: key 'rest' must be of type 'boolean'\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Markdown("dev", noCommits); !strings.Contains(got, "the preview failed") || !strings.Contains(got, "key 'rest'") {
		t.Errorf("got\n%s", got)
	}
	if _, err := Read(strings.NewReader("nonsense"), ""); err == nil || !strings.Contains(err.Error(), "pulumi preview --json") {
		t.Errorf("error = %v, want what it must be", err)
	}
}

func TestCommits(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=n", "-c", "user.email=e@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	commit := func(file, content, subject string) {
		t.Helper()
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		git("add", ".")
		git("commit", "-qm", subject)
	}
	git("init", "-q", "-b", "main")
	commit("services/echo/go.mod", "module m\n\nrequire c v0.0.0\n\nreplace c => ../chassis\n", "Before")
	git("tag", "base")
	commit("services/chassis/x.go", "1", "Change the *chassis* for @all")
	commit("services/reverse/x.go", "1", "Change reverse")
	commit("services/echo/x.go", "1", "Change echo")

	got := strings.Join(History{Root: root, Base: "base"}.Commits("echo"), "\n")
	if !strings.Contains(got, "Change echo") || !strings.Contains(got, "the \\*chassis\\* for @\u200ball") || strings.Contains(got, "reverse") || strings.Contains(got, "Before") {
		t.Errorf("commits behind echo:\n%s", got)
	}
	for i := range mostCommits + 2 {
		commit("services/echo/x.go", fmt.Sprint(i+2), "Again")
	}
	if got := (History{Root: root, Base: "base"}).Commits("echo"); len(got) != mostCommits+1 || got[mostCommits] != "and 4 more" {
		t.Errorf("many commits:\n%s", strings.Join(got, "\n"))
	}
	if got := (History{Root: root, Base: "missing"}).Commits("echo"); len(got) != 1 || !strings.Contains(got[0], "fetch-depth") {
		t.Errorf("a base that is not there: %v", got)
	}
}
