package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// buildConfig holds the parts of cloudbuild.yaml that are checked.
type buildConfig struct {
	Steps []struct {
		Script string
	}
	Substitutions map[string]string
	Options       struct {
		Automap bool   `json:"automapSubstitutions"`
		Unused  string `json:"substitutionOption"`
		Logging string
	}
}

func readBuildConfig(t *testing.T) buildConfig {
	t.Helper()
	var c buildConfig
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(root, "cloudbuild.yaml"))), &c); err != nil {
		t.Fatal(err)
	}
	// Without these the script has no variables, builds fail for substitutions that the job
	// does not use, and an account of one's own needs a bucket for its logs ("Build
	// configuration file schema").
	if len(c.Steps) != 1 || !c.Options.Automap || c.Options.Unused != "ALLOW_LOOSE" || c.Options.Logging != "CLOUD_LOGGING_ONLY" {
		t.Fatalf("cloudbuild.yaml is %+v; adapt this test", c)
	}
	return c
}

// programs holds the programs that a build calls. They print what they were asked for.
var programs = map[string]string{
	"make": `for name in STACK PULUMI_BACKEND_URL GITHUB_REPOSITORY GITHUB_TOKEN TOUCHED BASE PR ISSUE KEEP KEPT TRIED TO YES CONFIRM_STACK CONFIRM_ADDRESS; do
[[ -z "${!name:-}" ]] || echo "$name=${!name}"
done
echo "make $*"`,
	"git": `case "$1" in
fetch) exit "${NO_HISTORY:-0}" ;;
rev-parse) [[ -z "${NO_HISTORY:-}" ]] || exit 1; echo "id of ${!#}" ;;
esac`,
	"gcloud": `[[ "$*" == "secrets versions access latest --project=shop-prod --secret=github" ]] || exit 1; echo token`,
}

// TestCloudBuild runs the script of each job that a trigger of infra/delivery starts.
func TestCloudBuild(t *testing.T) {
	t.Parallel()
	c := readBuildConfig(t)
	bin := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/usr/bin/env bash\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pullRequest := []string{"_PR_NUMBER=7", "_BASE_BRANCH=main", "_JOB=preview"}
	hub := []string{"GITHUB_REPOSITORY=shop/edge", "GITHUB_TOKEN=token"}
	for name, test := range map[string]struct{ variables, want []string }{
		"a pull request":                    {append(pullRequest, "_GITHUB_TOKEN_SECRET=github"), append(hub, "TOUCHED=1", "BASE=id of origin/main^{commit}", "PR=7", "make plan")},
		"a pull request without a token":    {pullRequest, []string{"TOUCHED=1", "BASE=id of origin/main^{commit}", "make plan"}},
		"a pull request without history":    {append(pullRequest, "NO_HISTORY=1"), []string{"TOUCHED=1", "make plan"}},
		"tests of a pull request":           {[]string{"_JOB=test"}, []string{"make check"}},
		"the plan of a push":                {[]string{"_JOB=plan"}, []string{"BASE=id of HEAD^^{commit}", "KEEP=abc", "make plan"}},
		"a push":                            {[]string{"_JOB=deploy"}, []string{"KEEP=abc", "make deploy"}},
		"an approved push":                  {[]string{"_JOB=deploy-plan", "_TRIED=dev"}, []string{"KEEP=abc", "KEPT=abc", "TRIED=dev", "make deploy"}},
		"a look for drift":                  {[]string{"_JOB=drift", "_GITHUB_TOKEN_SECRET=github"}, append(hub, "ISSUE=1", "make drift")},
		"a look for drift without a token":  {[]string{"_JOB=drift"}, []string{"make drift"}},
		"the list of deployments":           {[]string{"_JOB=rollback"}, []string{"make rollback"}},
		"a rollback, with more than it may": {[]string{"_JOB=rollback", "_TO=3; $(touch no)", "_YES=1"}, []string{"TO=3; $(touch no)", "YES=1", "make rollback"}},
		"a teardown":                        {[]string{"_JOB=teardown", "_CONFIRM_STACK=prod", "_CONFIRM_ADDRESS=192.0.2.1"}, []string{"CONFIRM_STACK=prod", "CONFIRM_ADDRESS=192.0.2.1", "make teardown"}},
		"a job that is none":                {[]string{"_JOB=all"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("bash", "-c", c.Steps[0].Script)
			cmd.Dir = t.TempDir()
			cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "PROJECT_ID=shop-prod", "COMMIT_SHA=abc", "REPO_FULL_NAME=shop/edge"}
			for key, value := range c.Substitutions {
				cmd.Env = append(cmd.Env, key+"="+value)
			}
			cmd.Env = append(cmd.Env, append(test.variables, "_STACK=prod")...)
			out, err := cmd.Output()
			if (err == nil) != (test.want != nil) {
				t.Fatalf("the script ended with %v and said\n%s", err, out)
			}
			want := test.want
			if want != nil {
				want = append([]string{"STACK=prod", "PULUMI_BACKEND_URL=gs://shop-prod-pulumi-state"}, want...)
			}
			got := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
			if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
				t.Errorf("what make is asked for (-want +got):\n%s", diff)
			}
			if left, _ := os.ReadDir(cmd.Dir); len(left) > 0 {
				t.Errorf("a variable was run as a part of the script, which left %v", left)
			}
		})
	}
}

// TestTriggersStartWhatThereIs compares the jobs and variables of infra/delivery's triggers with
// those of cloudbuild.yaml.
func TestTriggersStartWhatThereIs(t *testing.T) {
	t.Parallel()
	triggers := read(t, filepath.Join(root, "infra", "delivery", "triggers.go"))
	c := readBuildConfig(t)
	jobs := regexp.MustCompile(`job(?:: |\s+= )"([a-z-]+)"`).FindAllStringSubmatch(triggers, -1)
	variables := regexp.MustCompile(`"(_[A-Z_]+)"`).FindAllStringSubmatch(triggers, -1)
	if len(jobs) != 8 || len(variables) != 4 {
		t.Errorf("found the jobs %q and the variables %q; adapt this test", jobs, variables)
	}
	for _, job := range jobs {
		if !strings.Contains(c.Steps[0].Script, "\n  "+job[1]+") ") {
			t.Errorf("cloudbuild.yaml has no job %s", job[1])
		}
	}
	for _, variable := range variables {
		if _, has := c.Substitutions[variable[1]]; !has {
			t.Errorf("cloudbuild.yaml has no substitution %s", variable[1])
		}
	}
}
