package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	accountKind  = "gcp:serviceaccount/account:Account"
	actAsKind    = "gcp:serviceaccount/iAMMember:IAMMember"
	grantKind    = "gcp:projects/iAMMember:IAMMember"
	roleKind     = "gcp:projects/iAMCustomRole:IAMCustomRole"
	poolKind     = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"
	providerKind = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
	triggerKind  = "gcp:cloudbuild/trigger:Trigger"
	secretKind   = "gcp:secretmanager/secretIamMember:SecretIamMember"
	bucketKind   = "gcp:storage/bucketIAMMember:BucketIAMMember"
)

// withDelivery holds the keys of a stack that CI delivers in all possible ways.
var withDelivery = variant("delivery")

func deliveryWith(changes map[string]string) map[string]string { return with(withDelivery, changes) }

// delivered returns what delivery adds to the sandbox's stack.
func delivered(t *testing.T) stackRun {
	t.Helper()
	others := map[string]string{}
	for _, key := range []string{"kmsKey", "binaryAuthorization", "signingKey", "deletionProtection"} {
		others["grpc-edge:"+key] = withDelivery["grpc-edge:"+key]
	}
	return added(t, mustRun(t, "sandbox", false, others), withDelivery)
}

// added returns what keys add to the sandbox's stack.
func added(t *testing.T, without stackRun, keys map[string]string) stackRun {
	t.Helper()
	result := mustRun(t, "sandbox", false, keys)
	result.resources = slices.DeleteFunc(result.resources, func(r registered) bool {
		return slices.ContainsFunc(without.resources, func(other registered) bool { return other.Type == r.Type && other.Name == r.Name })
	})
	return result
}

func TestStacksHaveNoDeliveryByDefault(t *testing.T) {
	for _, stack := range stacks(t) {
		result := mustRun(t, stack, true, nil)
		for _, r := range result.resources {
			if strings.HasPrefix(r.Parent, "grpc-edge:delivery:") {
				t.Errorf("%s has %s %s", stack, r.Type, r.Name)
			}
		}
		if _, has := result.outputs["deployer"]; has {
			t.Errorf("%s has an output deployer", stack)
		}
	}
}

// TestDeliveryIsOneComponent checks that one URN, with its children, is all that a pipeline's
// destroy has to exclude.
func TestDeliveryIsOneComponent(t *testing.T) {
	for _, r := range delivered(t).resources {
		api := r.Type == "gcp:projects/service:Service"
		if !r.component && !api && r.Parent != "grpc-edge:delivery:Delivery delivery" {
			t.Errorf("%s %s is a child of %s", r.Type, r.Name, r.Parent)
		}
	}
}

func TestDeliveryOutputs(t *testing.T) {
	got := map[string]any{}
	outputs := mustRun(t, "sandbox", false, withDelivery).outputs
	for _, name := range []string{"identityProvider", "previewer", "deployer", "destroyer", "planner", "reviewer"} {
		got[name] = plain(outputs[resource.PropertyKey(name)])
	}
	const domain = "@sandbox-project.iam.gserviceaccount.com"
	want := map[string]any{
		"identityProvider": "projects/" + projectNumber + "/locations/global/workloadIdentityPools/grpc-edge-sandbox/providers/github",
		"previewer":        "previewer-sandbox" + domain, "deployer": "deployer-sandbox" + domain,
		"destroyer": "destroyer-sandbox" + domain, "planner": "planner-sandbox" + domain, "reviewer": "reviewer-sandbox" + domain,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// members returns who has a role on an account.
func (s stackRun) members(t *testing.T, role, account string) []string {
	t.Helper()
	var list []string
	for _, r := range s.ofType(t, actAsKind) {
		if plain(r.Inputs["role"]) == role && strings.Contains(plain(r.Inputs["serviceAccountId"]).(string), "/"+account+"@") {
			list = append(list, plain(r.Inputs["member"]).(string))
		}
	}
	slices.Sort(list)
	return list
}

func TestWhoMayBeWhom(t *testing.T) {
	const pool = "principalSet://iam.googleapis.com/projects/" + projectNumber + "/locations/global/workloadIdentityPools/grpc-edge-sandbox/"
	file := func(name, branch string) string {
		return pool + "attribute.deployment/sandbox:example/grpc-edge/.github/workflows/" + name + ".yaml@refs/heads/" + branch
	}
	tests := []struct {
		name    string
		changes map[string]string
		want    map[string][]string
	}{
		{"by name", nil, map[string][]string{
			"previewer": {pool + "attribute.repository/example/grpc-edge"}, "reviewer": {pool + "attribute.repository/example/grpc-edge"},
			"deployer": {file("deploy", "main"), file("rollback", "main")}, "destroyer": {file("teardown", "main")},
		}},
		{"by number", map[string]string{"grpc-edge:githubRepositoryId": "42", "grpc-edge:githubBranch": "release/1"}, map[string][]string{
			"previewer": {pool + "attribute.repository/42"}, "reviewer": {pool + "attribute.repository/42"},
			"deployer": {file("deploy", "release/1"), file("rollback", "release/1")}, "destroyer": {file("teardown", "release/1")},
		}},
		{"no review stacks", map[string]string{"grpc-edge:reviewStacks": "false"}, map[string][]string{
			"previewer": {pool + "attribute.repository/example/grpc-edge"},
			"deployer":  {file("deploy", "main"), file("rollback", "main")}, "destroyer": {file("teardown", "main")},
		}},
	}
	for _, test := range tests {
		result := mustRun(t, "sandbox", false, deliveryWith(test.changes))
		for _, role := range []string{"previewer", "deployer", "destroyer", "planner", "reviewer"} {
			if diff := cmp.Diff(test.want[role], result.members(t, "roles/iam.workloadIdentityUser", role+"-sandbox")); diff != "" {
				t.Errorf("%s: who may be the %s (-want +got):\n%s", test.name, role, diff)
			}
		}
		claim := "assertion.repository == 'example/grpc-edge'"
		if test.changes["grpc-edge:githubRepositoryId"] != "" {
			claim = "assertion.repository_id == '42'"
		}
		check(t, result.named(t, providerKind, "delivery-github"), map[string]any{"attributeCondition": claim})
	}
}

// TestDeliveredRolesRaiseNothing checks that no role has, on the project, a permission that would
// raise its own rights or create another account.
func TestDeliveredRolesRaiseNothing(t *testing.T) {
	forbidden := []string{
		"iam.serviceAccounts.actAs", "iam.serviceAccounts.setIamPolicy", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.signJwt",
		"iam.serviceAccounts.signBlob", "iam.serviceAccounts.implicitDelegation", "iam.serviceAccountKeys.create",
		"iam.roles.create", "iam.roles.update", "iam.roles.delete", "iam.workloadIdentityPools.update", "iam.workloadIdentityPoolProviders.update",
		"storage.buckets.setIamPolicy", "cloudbuild.builds.create", "cloudbuild.builds.update",
	}
	for _, role := range delivered(t).ofType(t, roleKind) {
		for _, permission := range role.Inputs["permissions"].ArrayValue() {
			if slices.Contains(forbidden, permission.StringValue()) {
				t.Errorf("%s holds %s", role.Name, permission.StringValue())
			}
		}
	}
}

// TestGrantsAreLimited checks that accounts that may change the policy of the project may grant
// only certain roles. On repositories no condition can say so.
func TestGrantsAreLimited(t *testing.T) {
	const list = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly("
	const nodes = list + "['roles/container.defaultNodeServiceAccount'])"
	key := withDelivery["grpc-edge:kmsKey"]
	for kms, want := range map[string]string{
		"":  nodes,
		key: nodes + " || resource.name == '" + key + "' && " + list + "['roles/cloudkms.cryptoKeyEncrypterDecrypter'])",
	} {
		result := mustRun(t, "sandbox", false, deliveryWith(map[string]string{"grpc-edge:kmsKey": kms}))
		for _, name := range []string{"deployer-deploy", "destroyer-deploy", "destroyer-destroy", "reviewer-deploy", "reviewer-destroy"} {
			check(t, result.named(t, grantKind, "delivery-"+name), map[string]any{"condition.expression": want})
		}
		for _, name := range []string{"previewer-preview", "planner-preview", "deployer-repositories", "destroyer-repositories", "reviewer-repositories"} {
			check(t, result.named(t, grantKind, "delivery-"+name), map[string]any{"condition": nil})
		}
	}
}

// cloudBuildAlone returns the configuration of a stack that only Cloud Build delivers.
func cloudBuildAlone(changes map[string]string) map[string]string {
	keys := deliveryWith(map[string]string{
		"grpc-edge:githubRepository": "", "grpc-edge:projectNumber": "", "grpc-edge:reviewStacks": "false", "grpc-edge:githubBranch": "release-1.0",
	})
	maps.Copy(keys, changes)
	return keys
}

// TestCloudBuildAlone checks that a commit to a protected stack is planned by an account that may
// do nothing else, and deployed once somebody has approved the plan.
func TestCloudBuildAlone(t *testing.T) {
	const push, pullRequest, ref = "repositoryEventConfig.push.branch", "repositoryEventConfig.pullRequest.branch", "sourceToBuild.ref"
	result := mustRun(t, "sandbox", false, cloudBuildAlone(nil))
	for _, r := range result.resources {
		if r.Type == poolKind {
			t.Errorf("there is a pool %s, for no repository on GitHub", r.Name)
		}
	}
	if _, has := result.outputs["identityProvider"]; has {
		t.Error("there is an output identityProvider")
	}
	for _, want := range []struct {
		name, account, starts, at string
		approved                  any
		variables                 map[string]any
	}{
		{"preview", "previewer", pullRequest, `^release-1\.0$`, nil, map[string]any{"_JOB": "preview", "_GITHUB_TOKEN_SECRET": "github-token"}},
		{"plan", "planner", push, `^release-1\.0$`, nil, map[string]any{"_JOB": "plan"}},
		{"deploy", "deployer", push, `^release-1\.0$`, true, map[string]any{"_JOB": "deploy-plan", "_TRIED": "dev"}},
		{"drift", "previewer", ref, "refs/heads/release-1.0", nil, map[string]any{"_JOB": "drift", "_GITHUB_TOKEN_SECRET": "github-token"}},
		{"rollback", "deployer", ref, "refs/heads/release-1.0", true, map[string]any{"_JOB": "rollback"}},
		{"teardown", "destroyer", ref, "refs/heads/release-1.0", true, map[string]any{"_JOB": "teardown"}},
	} {
		want.variables["_STACK"] = "sandbox"
		check(t, result.named(t, triggerKind, "delivery-"+want.name), map[string]any{
			"name":           "grpc-edge-" + want.name + "-sandbox",
			"serviceAccount": "projects/sandbox-project/serviceAccounts/" + want.account + "-sandbox@sandbox-project.iam.gserviceaccount.com",
			want.starts:      want.at, "approvalConfig.approvalRequired": want.approved, "substitutions": want.variables,
		})
	}
	if n := len(result.ofType(t, triggerKind)); n != 6 {
		t.Errorf("there are %d triggers, want 6", n)
	}
	check(t, result.named(t, bucketKind, "delivery-planner-plans"), map[string]any{
		"role": "roles/storage.objectUser", "condition.expression": "resource.name.startsWith('projects/_/buckets/sandbox-project-pulumi-state/objects/delivery/sandbox/')",
	})
	check(t, result.named(t, bucketKind, "delivery-planner-state"), map[string]any{"role": "roles/storage.objectViewer", "condition": nil})
	check(t, result.named(t, secretKind, "delivery-previewer-token"), map[string]any{
		"secretId": "github-token", "role": "roles/secretmanager.secretAccessor",
		"member": "serviceAccount:previewer-sandbox@sandbox-project.iam.gserviceaccount.com",
	})
	if n := len(result.ofType(t, secretKind)); n != 1 {
		t.Errorf("%d accounts may read the token, want 1", n)
	}
}

// TestCloudBuildAtOnce checks that a commit to a stack without protection is deployed at once.
func TestCloudBuildAtOnce(t *testing.T) {
	result := mustRun(t, "sandbox", false, cloudBuildAlone(map[string]string{
		"grpc-edge:deletionProtection": "false", "grpc-edge:promotedFrom": "", "grpc-edge:cloudBuildTokenSecret": "",
	}))
	for _, name := range []string{"deploy", "rollback", "teardown"} {
		check(t, result.named(t, triggerKind, "delivery-"+name), map[string]any{
			"approvalConfig.approvalRequired": false, "substitutions": map[string]any{"_STACK": "sandbox", "_JOB": name},
		})
	}
	check(t, result.named(t, triggerKind, "delivery-test"), map[string]any{
		"serviceAccount": "projects/sandbox-project/serviceAccounts/previewer-sandbox@sandbox-project.iam.gserviceaccount.com",
		"repositoryEventConfig.pullRequest.branch": `^release-1\.0$`, "substitutions": map[string]any{"_STACK": "sandbox", "_JOB": "test"},
	})
	for _, r := range result.resources {
		if strings.Contains(r.Name, "plan") || r.Type == secretKind {
			t.Errorf("there is %s %s", r.Type, r.Name)
		}
	}
}

// TestWrongProjectNumber checks that another project's number is refused before anything is created
// for CI, as workflows could not sign in.
func TestWrongProjectNumber(t *testing.T) {
	result, err := run(t, "sandbox", false, deliveryWith(map[string]string{"grpc-edge:projectNumber": "1"}))
	want := `grpc-edge:projectNumber is "1"; it must be "` + projectNumber + `", the number of project sandbox-project; set it with: pulumi config set`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want %q", err, want)
	}
	if slices.ContainsFunc(result.resources, func(r registered) bool { return r.Type == "gcp:iam/workloadIdentityPool:WorkloadIdentityPool" }) {
		t.Error("the pool is registered, want the number to be checked first")
	}
}

func TestDeliveredStackName(t *testing.T) {
	for stack, want := range map[string]string{
		"twenty-characters-ok": "", "twenty-one-characters": "the name of the stack must be at most 20 characters where grpc-edge:githubRepository or grpc-edge:cloudBuildRepository is set",
	} {
		c := &cloud{preview: true}
		address := c.start(t)
		config := configOf(t, "sandbox")
		maps.Copy(config, withDelivery)
		err := pulumi.RunErr(program, func(info *pulumi.RunInfo) {
			*info = pulumi.RunInfo{
				Project: "grpc-edge", Stack: stack, RootDirectory: repository(t), Config: config, DryRun: true,
				MonitorAddr: address, EngineAddr: address, Parallel: 8,
			}
		})
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("stack %s: error = %v, want %q", stack, err, want)
		}
	}
}
