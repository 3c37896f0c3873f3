package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/cmd/delivery/comment/githubtest"
	echo "example.com/grpc-edge/services/echo/api"
)

// TestDelivery takes a change from its pull request to production and back, with the make
// targets that the workflows call. CI delivers the sandbox's stack.
func TestDelivery(t *testing.T) {
	ctx := t.Context()
	// The pull request has a comment of a person, and the preview of an earlier push.
	d := &delivery{checkout: newCheckout(t), github: &githubtest.Server{Comments: []githubtest.Comment{
		{ID: 1, Body: "Nice."}, {ID: 2, Body: "<!-- grpc-edge preview of sandbox -->\nof an earlier push"},
	}}}
	server := httptest.NewServer(d.github)
	t.Cleanup(server.Close)
	d.env = append(githubtest.Environment(server.URL), "PULUMI=.cache/bin/sandbox pulumi --", "STACK=sandbox")
	d.removeAtEnd(t)
	d.commitAll(t, "Start")
	runSteps(t, []step{
		{"main is deployed", func(t *testing.T) { d.must(ctx, t, "make", "up") }},
		{"a preview that violates a policy names it", func(t *testing.T) { d.violation(ctx, t) }},
		{"a pull request is previewed in one comment", func(t *testing.T) { d.pullRequest(ctx, t) }},
		{"a plan that no longer holds is refused", func(t *testing.T) { d.refuseStalePlan(ctx, t) }},
		{"merged, it is brought up as it was reviewed", func(t *testing.T) { d.merge(ctx, t) }},
		{"drift opens an issue, and its repair closes it", func(t *testing.T) { d.drift(ctx, t) }},
		{"what the jobs leave holds no private key or token", func(t *testing.T) { noSecrets(t, d.checkout) }},
		{"an earlier deployment comes back", func(t *testing.T) { d.rollback(ctx, t) }},
		{"Cloud Build runs a plan that was approved", func(t *testing.T) { d.cloudBuild(ctx, t) }},
		{"teardown wants two confirmations, and takes protection away", func(t *testing.T) { d.teardown(ctx, t) }},
		{"a labelled pull request gets a stack of its own", func(t *testing.T) { d.review(ctx, t) }},
	})
}

// delivery holds a clone in which jobs run, and the GitHub that they call.
type delivery struct {
	checkout
	github *githubtest.Server
}

// git runs git in the checkout's own repository, with a name and an email.
func (d *delivery) git(t *testing.T, args ...string) string {
	t.Helper()
	return d.must(t.Context(), t, "git", append([]string{"-c", "user.name=Test", "-c", "user.email=test@example.com"}, args...)...)
}

func (d *delivery) commitAll(t *testing.T, message string) {
	t.Helper()
	d.git(t, "init", "--quiet", "--initial-branch=main")
	d.git(t, "add", "--all")
	d.git(t, "commit", "--quiet", "--message", message)
}

const plan = ".cache/delivery/sandbox/plan.json"

// violation previews pods whose programs could change themselves.
func (d *delivery) violation(ctx context.Context, t *testing.T) {
	const pods = "infra/workload/pod.go"
	d.edit(t, pods, "ReadOnlyRootFilesystem:   pulumi.Bool(true)", "ReadOnlyRootFilesystem:   pulumi.Bool(false)")
	out, err := d.run(ctx, t, "make", "plan")
	if err == nil {
		t.Error("the plan succeeded")
	}
	for _, want := range []string{"### sandbox: the preview failed\n", "policy pod-read-only: ", `"echo": spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem is false, must be true`} {
		if !strings.Contains(out, want) {
			t.Errorf("the comment lacks %q:\n%s", want, out)
		}
	}
	d.git(t, "checkout", pods)
}

// pullRequest previews a change of echo, as after a second push.
func (d *delivery) pullRequest(ctx context.Context, t *testing.T) {
	d.git(t, "checkout", "--quiet", "-b", "change")
	d.edit(t, "services/echo/handlers.go", "Content: request.GetContent()", `Content: "changed " + request.GetContent()`)
	d.git(t, "commit", "--quiet", "--all", "--message", "Say that echo changed")
	d.must(ctx, t, "make", "plan", "BASE=main", "TOUCHED=1", "PR=7")
	if len(d.github.Comments) != 2 {
		t.Fatalf("got comments %+v, want one that is updated", d.github.Comments)
	}
	text := d.github.Comments[1].Body
	for _, want := range []string{"### sandbox: 2 to update\n", "**Images**", "- `echo`: ", " Say that echo changed\n", "Deployment echo"} {
		if !strings.Contains(text, want) {
			t.Errorf("the comment lacks %q:\n%s", want, text)
		}
	}
}

// refuseStalePlan changes the config after the plan. Deploying the plan must then fail.
func (d *delivery) refuseStalePlan(ctx context.Context, t *testing.T) {
	d.edit(t, "Pulumi.sandbox.yaml", "grpc-edge:nodeCount: 1\n", "grpc-edge:nodeCount: 1\n  grpc-edge:alertErrorPercent: 7\n")
	out, err := d.run(ctx, t, "sh", "-c", "make deploy PLAN="+plan+" 2>&1")
	if err == nil || !strings.Contains(out, "plan and review again") {
		t.Errorf("deploying something else than was planned: %v, want to be told to plan again", err)
	}
	d.git(t, "checkout", "Pulumi.sandbox.yaml")
}

func (d *delivery) merge(ctx context.Context, t *testing.T) {
	d.git(t, "checkout", "--quiet", "main")
	d.git(t, "merge", "--quiet", "--ff-only", "change")
	d.must(ctx, t, "make", "plan")
	d.must(ctx, t, "make", "deploy", "PLAN="+plan)
	e := outputs(ctx, t, d.checkout)
	waitForNewPods(ctx, t, e, "changed hello")
	digests := d.images(t)
	for name, reference := range e.Images {
		if !strings.HasSuffix(reference, "@"+digests[name]) {
			t.Errorf("image %s is %s, and %s was written down for the next stack", name, reference, digests[name])
		}
	}
}

// images returns the digests that a deployment leaves for the next stack.
func (d *delivery) images(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, ".cache/delivery/sandbox/images.json"))
	if err != nil {
		t.Fatal(err)
	}
	var digests map[string]string
	if err := json.Unmarshal(text, &digests); err != nil {
		t.Fatal(err)
	}
	return digests
}

func (d *delivery) drift(ctx context.Context, t *testing.T) {
	d.must(ctx, t, ".cache/bin/sandbox", "tamper", "/nodePools/", "nodeCount=2")
	if _, err := d.run(ctx, t, "make", "drift", "ISSUE=1"); err == nil {
		t.Error("drift was not found")
	}
	if len(d.github.Issues) != 1 || d.github.Issues[0].Title != "sandbox has drifted" || !strings.Contains(d.github.Issues[0].Body, "+ nodeCount: 2") {
		t.Fatalf("got issues %+v, want one that shows the node pool", d.github.Issues)
	}
	if _, err := d.pulumi(ctx, t, "up", "--refresh", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "sandbox"); err != nil {
		t.Fatal(err)
	}
	d.must(ctx, t, "make", "drift", "ISSUE=1")
	if d.github.Issues[0].State != "closed" {
		t.Errorf("the issue is %s, want it closed", d.github.Issues[0].State)
	}
}

// rollback rolls back to the deployment of main's first commit.
func (d *delivery) rollback(ctx context.Context, t *testing.T) {
	if got := d.must(ctx, t, "make", "rollback"); !strings.Contains(got, "Say that echo changed") || !strings.Contains(got, "Start") {
		t.Errorf("the deployments are listed as\n%s", got)
	}
	if got := d.must(ctx, t, "make", "rollback", "TO=1"); !strings.Contains(got, "2 to update") || !strings.Contains(got, "Nothing is changed") {
		t.Errorf("what going back would change is told as\n%s", got)
	}
	d.must(ctx, t, "make", "rollback", "TO=1", "YES=1")
	e := outputs(ctx, t, d.checkout)
	client := echo.NewEchoClient(e.dial(t, e.verified(t)))
	eventually(ctx, t, 30*time.Second, func() error {
		for range 20 {
			reply, err := client.Echo(ctx, &echo.EchoRequest{Content: "hello"})
			if err != nil {
				return err
			}
			if reply.GetContent() != "hello" {
				return fmt.Errorf("echo answers %q", reply.GetContent())
			}
		}
		return nil
	})
	if left := d.git(t, "worktree", "list"); strings.Count(left, "\n") != 1 {
		t.Errorf("a worktree is left:\n%s", left)
	}
	if _, err := d.run(ctx, t, "make", "rollback", "TO=99"); err == nil {
		t.Error("going back to a deployment that never was is no error")
	}
}

// gcloud is a script that copies to and from buckets, which are folders here.
const gcloud = `#!/bin/bash
set -eu
[[ "$1 $2 $3" == "storage cp --quiet" ]]
from=${4/#gs:\/\//$BUCKETS/} to=${5/#gs:\/\//$BUCKETS/}
mkdir -p "$(dirname "$to")"
cp "$from" "$to"
`

// cloudBuild enables the stack's protection by the builds that a push starts. The first build
// plans at once. The second, once approved, deploys the plan, with images that run on another
// stack. This stack's own images stand in for those of the other stack.
func (d *delivery) cloudBuild(ctx context.Context, t *testing.T) {
	d.git(t, "revert", "--no-commit", "HEAD")
	d.edit(t, "Pulumi.sandbox.yaml", "grpc-edge:deletionProtection: false", "grpc-edge:deletionProtection: true")
	d.git(t, "commit", "--quiet", "--all", "--message", "Protect, and let echo be as it was")
	commit := strings.TrimSpace(d.git(t, "rev-parse", "HEAD"))
	var build struct {
		Steps         []struct{ Script string }
		Substitutions map[string]string
	}
	text, err := os.ReadFile(filepath.Join(d.dir, "cloudbuild.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &build); err != nil {
		t.Fatal(err)
	}
	bin, buckets := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "gcloud"), []byte(gcloud), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(variables ...string) (string, error) {
		variables = append(variables, "PATH="+bin+":"+os.Getenv("PATH"), "BUCKETS="+buckets, "PROJECT_ID=sandbox-project", "COMMIT_SHA="+commit, "_STACK=sandbox")
		for key, value := range build.Substitutions {
			if key != "_STACK" && key != "_JOB" && key != "_TRIED" {
				variables = append(variables, key+"="+value)
			}
		}
		return d.run(ctx, t, "env", append(variables, "bash", "-c", build.Steps[0].Script)...)
	}
	if out, err := run("_JOB=deploy-plan", "_TRIED="); err == nil {
		t.Errorf("a deployment without a plan said\n%s", out)
	}
	out, err := run("_JOB=plan", "_TRIED=")
	if err != nil || !strings.Contains(out, "to update") || !strings.Contains(out, "approve the build of the trigger grpc-edge-deploy-sandbox") {
		t.Fatalf("planning: %v\n%s", err, out)
	}
	kept := filepath.Join(buckets, "sandbox-project-pulumi-state", "delivery", "sandbox", commit)
	if err := os.Rename(filepath.Join(d.dir, ".cache/delivery/sandbox"), filepath.Join(d.dir, ".cache/delivery/gone")); err != nil {
		t.Fatal(err)
	}
	if _, err := run("_JOB=deploy-plan", "_TRIED=sandbox"); err == nil {
		t.Error("a commit that runs nowhere was deployed where it must be tried before")
	}
	if err := os.Rename(filepath.Join(d.dir, ".cache/delivery/gone/images.json"), filepath.Join(kept, "images.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := run("_JOB=deploy-plan", "_TRIED=sandbox"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(kept); err != nil || len(left) != 4 {
		t.Errorf("kept for the commit are %v (%v), want plan, its images, comment and what runs", left, err)
	}
}

// teardown destroys a protected stack, after two confirmations.
func (d *delivery) teardown(ctx context.Context, t *testing.T) {
	address := outputs(ctx, t, d.checkout).Address
	asked := d.must(ctx, t, "make", "teardown")
	if !strings.Contains(asked, "CONFIRM_STACK=sandbox CONFIRM_ADDRESS="+address) {
		t.Errorf("teardown asks\n%s", asked)
	}
	for _, wrong := range [][]string{{"CONFIRM_STACK=sandbox"}, {"CONFIRM_STACK=prod", "CONFIRM_ADDRESS=" + address}, {"CONFIRM_ADDRESS=" + address}} {
		if _, err := d.run(ctx, t, "make", append([]string{"teardown"}, wrong...)...); err == nil {
			t.Errorf("teardown took %q", wrong)
		}
	}
	expectNoChanges(ctx, t, d.checkout, "preview")
	d.must(ctx, t, "make", "teardown", "CONFIRM_STACK=sandbox", "CONFIRM_ADDRESS="+address)
	d.nothingLeft(ctx, t)
	if changed := d.git(t, "status", "--porcelain"); changed != "" {
		t.Errorf("teardown changed files:\n%s", changed)
	}
	if got := d.must(ctx, t, "make", "teardown"); !strings.Contains(got, "nothing to destroy") {
		t.Errorf("a second teardown says\n%s", got)
	}
}

// review creates a stack for the pull request, and destroys it as the end of the pull request
// does. The stack that its config is copied from is protected.
func (d *delivery) review(ctx context.Context, t *testing.T) {
	d.must(ctx, t, "make", "review", "PR=7", "COMMENT=1")
	out, err := d.pulumi(ctx, t, "stack", "output", "--json", "--stack", "review-7")
	if err != nil {
		t.Fatal(err)
	}
	var e edge
	if err := json.Unmarshal([]byte(out), &e); err != nil {
		t.Fatal(err)
	}
	waitForNewPods(ctx, t, e, "hello")
	if len(d.github.Comments) != 3 || !strings.Contains(d.github.Comments[2].Body, "It answers at "+e.Address) {
		t.Errorf("got comments %+v, want where the review stack answers", d.github.Comments)
	}
	for range 2 {
		d.must(ctx, t, "make", "review-down", "PR=7", "COMMENT=1")
	}
	d.nothingLeft(ctx, t)
	if len(d.github.Comments) != 3 || !strings.Contains(d.github.Comments[2].Body, "review-7 is gone") {
		t.Errorf("got comments %+v, want that the review stack is gone", d.github.Comments)
	}
	if changed := d.git(t, "status", "--porcelain", "--ignored", "Pulumi.*"); changed != "" {
		t.Errorf("files are left:\n%s", changed)
	}
	if left, err := d.pulumi(ctx, t, "stack", "ls", "--json"); err != nil || strings.Contains(left, "review-7") {
		t.Errorf("the stacks are %s (%v), want review-7 gone", left, err)
	}
}

func (d *delivery) nothingLeft(ctx context.Context, t *testing.T) {
	t.Helper()
	if left := strings.TrimSpace(d.must(ctx, t, ".cache/bin/sandbox", "objects")); left != "" {
		t.Errorf("left in the cloud:\n%s", left)
	}
}
