package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const root = "../.."

// workflow holds the parts of a workflow or an action that are checked.
type workflow struct {
	On          map[string]any    `json:"true"` // YAML 1.1 reads the key `on` as a boolean
	Permissions map[string]string `json:"permissions"`
	Concurrency *concurrency      `json:"concurrency"`
	Jobs        map[string]part   `json:"jobs"`
	Runs        part              `json:"runs"`
}

type part struct {
	If          string            `json:"if"`
	Needs       any               `json:"needs"`
	Permissions map[string]string `json:"permissions"`
	Timeout     int               `json:"timeout-minutes"`
	Environment string            `json:"environment"`
	Concurrency *concurrency      `json:"concurrency"`
	Steps       []struct {
		Uses, Run string
		With      map[string]any
	}
}

type concurrency struct {
	Group  string `json:"group"`
	Cancel bool   `json:"cancel-in-progress"`
	Queue  string `json:"queue"`
}

// login returns the stack and the role of a job's login; "" if it doesn't log in.
func (p part) login() (stack, as string) {
	for _, s := range p.Steps {
		if s.Uses == "./.github/actions/login" {
			return s.With["stack"].(string), s.With["as"].(string)
		}
	}
	return "", ""
}

func readWorkflows(t *testing.T) map[string]workflow {
	t.Helper()
	all := map[string]workflow{}
	for _, pattern := range []string{".github/workflows/*.yaml", ".github/actions/*/action.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: found %q (%v)", pattern, files, err)
		}
		for _, file := range files {
			var w workflow
			if err := yaml.Unmarshal([]byte(read(t, file)), &w); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all[file] = w
		}
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	pinned    = regexp.MustCompile(`^[\w.-]+/[\w.-]+@[0-9a-f]{40}$`)
	makeRuns  = regexp.MustCompile(`make (?:--no-print-directory )?([a-z][a-z-]*)`)
	inlined   = regexp.MustCompile(`\$\{\{\s*(github\.event|inputs)`)
	sdkPinned = regexp.MustCompile(`github.com/pulumi/pulumi/sdk/v3 v(\S+)`)
)

// TestWorkflowsAreSafe holds the workflows to GitHub's advice ("Security hardening for
// GitHub Actions"): pinned actions, no rights that a job does not name, nothing of an
// event in a script, and no token for code of a fork.
func TestWorkflowsAreSafe(t *testing.T) {
	t.Parallel()
	for file, w := range readWorkflows(t) {
		if strings.Contains(read(t, file), "pull_request_target") {
			t.Errorf("%s: pull_request_target runs with the rights of the main branch", file)
		}
		if w.Jobs != nil && (w.Permissions == nil || len(w.Permissions) > 0) {
			t.Errorf("%s: wants `permissions: {}`, and each job its own", file)
		}
		for name, j := range w.Jobs {
			if j.Permissions["contents"] != "read" || j.Timeout == 0 {
				t.Errorf("%s: job %s wants permissions of its own, with `contents: read`, and timeout-minutes", file, name)
			}
			if _, fork := w.On["pull_request"]; fork && j.Permissions["id-token"] != "" && !guarded(w, j) {
				t.Errorf("%s: job %s logs in, also for a fork", file, name)
			}
		}
		for name, j := range w.jobs() {
			for _, s := range j.Steps {
				if s.Uses != "" && !strings.HasPrefix(s.Uses, "./.github/actions/") && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: job %s uses %q, which is not pinned by its commit", file, name, s.Uses)
				}
				if inlined.MatchString(s.Run) {
					t.Errorf("%s: job %s puts what others write into its script; pass it by `env`: %s", file, name, s.Run)
				}
			}
		}
	}
}

// TestStacksChangeOneAtATime makes sure that runs which change the same thing wait for each
// other, and that none is cancelled in the middle of an update.
func TestStacksChangeOneAtATime(t *testing.T) {
	t.Parallel()
	changing := 0
	for file, w := range readWorkflows(t) {
		for name, j := range w.Jobs {
			stack, as := j.login()
			if as == "" || as == "previewer" {
				continue
			}
			changing++
			group := "stack-" + stack
			c := j.Concurrency
			if as == "reviewer" { // its stack is that of the pull request
				c, group = w.Concurrency, "review-${{ github.event.number }}"
			}
			// By default a later run cancels one that waits ("Control the concurrency of workflows and jobs").
			if c == nil || c.Group != group || c.Cancel || c.Queue != "max" {
				t.Errorf("%s: job %s changes %s with the concurrency %+v, want the group %s, not cancelled, with queue: max", file, name, stack, c, group)
			}
			// By the environment, Google tells the jobs of a workflow apart (infra/delivery/federation.go).
			if as != "reviewer" && j.Environment != stack {
				t.Errorf("%s: job %s is the %s of %s in the environment %q, want that of the stack", file, name, as, stack, j.Environment)
			}
		}
	}
	if changing != 6 {
		t.Errorf("%d jobs change a stack; adapt this test", changing)
	}
}

// TestCachesHoldTheProgram makes sure that the cache which lets a preview be fast is written by
// jobs that compile the program: GitHub never writes a key twice.
func TestCachesHoldTheProgram(t *testing.T) {
	t.Parallel()
	compiles := regexp.MustCompile(`make (plan|deploy|review|rollback|teardown|preflight)\b`)
	keys := map[any]string{}
	for file, w := range readWorkflows(t) {
		for name, j := range w.jobs() {
			scripts := ""
			for _, s := range j.Steps {
				scripts += s.Run + "\n"
			}
			for _, s := range j.Steps {
				if s.Uses == "./.github/actions/tools" && (s.With["compiles"] == "false") == compiles.MatchString(scripts) {
					t.Errorf("%s: job %s has compiles: %v, and runs %s", file, name, s.With["compiles"], scripts)
				}
				if !strings.HasPrefix(s.Uses, "actions/setup-go@") || s.With["cache"] == false {
					continue
				}
				path := s.With["cache-dependency-path"]
				if other, taken := keys[path]; taken {
					t.Errorf("%s: job %s has the key of %s", file, name, other)
				}
				keys[path] = file + " " + name
			}
		}
	}
	if len(keys) != 3 {
		t.Errorf("found the keys %v; adapt this test", keys)
	}
}

// TestReviewStacksGo makes sure of both ends of a review stack: the pull request is closed,
// or loses its label.
func TestReviewStacksGo(t *testing.T) {
	t.Parallel()
	w := readWorkflows(t)[filepath.Join(root, ".github", "workflows", "review.yaml")]
	for _, want := range []string{
		"github.event.action == 'closed' && contains(github.event.pull_request.labels.*.name, 'review')",
		"github.event.action == 'unlabeled' && github.event.label.name == 'review'",
	} {
		if !strings.Contains(w.Jobs["down"].If, want) {
			t.Errorf("the job down runs if %s, want also if %s", w.Jobs["down"].If, want)
		}
	}
	types, _ := w.On["pull_request"].(map[string]any)["types"].([]any)
	for _, event := range []any{"labeled", "unlabeled", "closed"} {
		if !slices.Contains(types, event) {
			t.Errorf("the workflow starts for %v, want also for %s", types, event)
		}
	}
}

// jobs returns the jobs of a workflow, or the steps of an action.
func (w workflow) jobs() map[string]part {
	if w.Jobs == nil {
		return map[string]part{"": w.Runs}
	}
	return w.Jobs
}

// guarded reports whether a job, or one that it needs, refuses forks.
func guarded(w workflow, j part) bool {
	needs, _ := j.Needs.(string)
	return strings.Contains(j.If+w.Jobs[needs].If, "head.repo.full_name == github.repository")
}

// TestWorkflowsCallTargets makes sure that each step of a workflow can be run on a
// laptop: what is called is there.
func TestWorkflowsCallTargets(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{}
	for _, pattern := range []string{"Makefile", "*/*.mk", "*/*/*.mk"} {
		files, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, file := range files {
			for _, found := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(read(t, file), -1) {
				targets[found[1]] = true
			}
		}
	}
	scripts := read(t, filepath.Join(root, "cloudbuild.yaml"))
	for _, w := range readWorkflows(t) {
		for _, j := range w.jobs() {
			for _, s := range j.Steps {
				scripts += "\n" + s.Run
			}
		}
	}
	called := makeRuns.FindAllStringSubmatch(scripts, -1)
	if len(called) < 10 {
		t.Errorf("the workflows call %d targets; adapt this test", len(called))
	}
	for _, found := range called {
		if !targets[found[1]] {
			t.Errorf("a workflow calls `make %s`, and there is no such target", found[1])
		}
	}
}

// TestPulumiIsTheSDKs compares the versions: an older CLI may not know what the program asks for.
func TestPulumiIsTheSDKs(t *testing.T) {
	t.Parallel()
	version := sdkPinned.FindStringSubmatch(read(t, filepath.Join(root, "infra", "go.mod")))
	if version == nil {
		t.Fatal("infra/go.mod requires no version of Pulumi's SDK")
	}
	for file, line := range map[string]string{"cloudbuild.yaml": "name: pulumi/pulumi:%s\n", "Pulumi.yaml": "requiredPulumiVersion: \">=%s\"\n"} {
		if line = fmt.Sprintf(line, version[1]); !strings.Contains(read(t, filepath.Join(root, file)), line) {
			t.Errorf("%s lacks %q", file, line)
		}
	}
}

// TestDeployerWorkflowsExist checks the workflows that infra/delivery lets log in by name.
func TestDeployerWorkflowsExist(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`file\("([a-z-]+)"\)`).FindAllStringSubmatch(read(t, filepath.Join(root, "infra", "delivery", "federation.go")), -1)
	if len(named) != 3 {
		t.Errorf("infra/delivery names the workflows %q; adapt this test", named)
	}
	for _, found := range named {
		if _, err := os.Stat(filepath.Join(root, ".github", "workflows", found[1]+".yaml")); err != nil {
			t.Error(err)
		}
	}
}

// TestDependencyUpdatesCoverEveryModule compares the folders in dependabot.yml with those
// that have a go.mod.
func TestDependencyUpdatesCoverEveryModule(t *testing.T) {
	t.Parallel()
	var config struct {
		Updates []struct {
			Ecosystem   string `json:"package-ecosystem"`
			Directories []string
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(root, ".github", "dependabot.yml"))), &config); err != nil {
		t.Fatal(err)
	}
	updated := map[string]bool{}
	for _, u := range config.Updates {
		for _, pattern := range u.Directories {
			folders, err := filepath.Glob(filepath.Join(root, pattern, "go.mod"))
			if err != nil || u.Ecosystem == "gomod" && len(folders) == 0 {
				t.Errorf("dependabot.yml: %s has no go.mod (%v)", pattern, err)
			}
			for _, folder := range folders {
				updated[folder] = true
			}
		}
	}
	modules := 0
	for _, pattern := range []string{"*/go.mod", "*/*/go.mod"} {
		files, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, file := range files {
			modules++
			if !updated[file] {
				t.Errorf("dependabot.yml does not update %s", file)
			}
		}
	}
	if modules < 20 {
		t.Errorf("found %d modules; adapt this test", modules)
	}
}
