package delivery

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/cloudbuild"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/secretmanager"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// buildFile is the file with the steps of builds, in the root of the repository.
const buildFile = "cloudbuild.yaml"

// build describes a build of Cloud Build and what starts it.
type build struct {
	name, description string
	// job is the name of the build in buildFile.
	job string
	// as is the role of the account that the build runs as.
	as string
	on func(*builder, *cloudbuild.TriggerArgs)
	// approved builds wait for approval: they change what deletionProtection protects.
	approved bool
	// writes lets the build write to GitHub, if there is a token.
	writes bool
}

// planned reports whether a deployment is planned and approved before it runs.
func (b *builder) planned() bool { return b.CloudBuild.Name != "" && b.Approve }

func (b *builder) builds() []build {
	list := []build{
		{name: "preview", description: "Preview pull requests for", job: "preview", as: previewer.role, on: (*builder).onPullRequest, writes: true},
		{name: "deploy", description: "Deploy to", job: "deploy", as: deployer.role, on: (*builder).onPush, approved: true},
		{name: "drift", description: "Find drift in", job: "drift", as: previewer.role, on: (*builder).byHand, writes: true},
		{name: "rollback", description: "Roll back", job: "rollback", as: deployer.role, on: (*builder).byHand, approved: true},
		{name: "teardown", description: "Tear down", job: "teardown", as: destroyer.role, on: (*builder).byHand, approved: true},
	}
	if b.planned() {
		list[1].job = "deploy-plan"
		list = append(list, build{name: "plan", description: "Plan the deployment to", job: "plan", as: planner.role, on: (*builder).onPush})
	}
	if b.PromotedFrom == "" { // else that stack's trigger tests them
		list = append(list, build{name: "test", description: "Test pull requests for", job: "test", as: previewer.role, on: (*builder).onPullRequest})
	}
	return list
}

// triggers creates the triggers of Cloud Build, whose builds do what workflows do.
func (b *builder) triggers(accounts map[string]account) error {
	ready := map[string][]pulumi.Resource{}
	for _, role := range slices.Sorted(maps.Keys(accounts)) {
		if role == reviewer.role {
			continue
		}
		// A user-specified account must write its logs itself (Cloud Build, "Configure
		// user-specified service accounts").
		logs, err := projects.NewIAMMember(b.ctx, b.name+"-"+role+"-logs", &projects.IAMMemberArgs{
			Project: pulumi.String(b.Project), Role: pulumi.String("roles/logging.logWriter"), Member: accounts[role].member,
		}, b.parent)
		if err != nil {
			return fmt.Errorf("letting builds of the %s write logs: %w", role, err)
		}
		ready[role] = append(ready[role], logs)
	}
	if b.TokenSecret != "" {
		token, err := secretmanager.NewSecretIamMember(b.ctx, b.name+"-previewer-token", &secretmanager.SecretIamMemberArgs{
			Project: pulumi.String(b.Project), SecretId: pulumi.String(b.TokenSecret),
			Role: pulumi.String("roles/secretmanager.secretAccessor"), Member: accounts[previewer.role].member,
		}, b.parent)
		if err != nil {
			return fmt.Errorf("letting builds of the previewer write to GitHub: %w", err)
		}
		ready[previewer.role] = append(ready[previewer.role], token)
	}
	for _, t := range b.builds() {
		if err := b.trigger(t, accounts[t.as], ready[t.as]); err != nil {
			return err
		}
	}
	return nil
}

// trigger creates a trigger that starts builds of one job as its account.
func (b *builder) trigger(t build, a account, after []pulumi.Resource) error {
	substitutions := pulumi.StringMap{"_STACK": pulumi.String(b.Stack), "_JOB": pulumi.String(t.job)}
	if t.writes && b.TokenSecret != "" {
		substitutions["_GITHUB_TOKEN_SECRET"] = pulumi.String(b.TokenSecret)
	}
	if t.job == "deploy-plan" && b.PromotedFrom != "" {
		substitutions["_TRIED"] = pulumi.String(b.PromotedFrom)
	}
	args := &cloudbuild.TriggerArgs{
		Name:        pulumi.String("grpc-edge-" + t.name + "-" + b.Stack),
		Description: pulumi.String(t.description + " stack " + b.Stack),
		Location:    pulumi.String(b.CloudBuild.Location), ServiceAccount: a.Name, Substitutions: substitutions,
	}
	if t.approved {
		args.ApprovalConfig = cloudbuild.TriggerApprovalConfigArgs{ApprovalRequired: pulumi.Bool(b.Approve)}
	}
	t.on(b, args)
	if _, err := cloudbuild.NewTrigger(b.ctx, b.name+"-"+t.name, args, b.parent, pulumi.DependsOn(after)); err != nil {
		return fmt.Errorf("creating the trigger %s: %w", t.name, err)
	}
	return nil
}

func (b *builder) onPullRequest(args *cloudbuild.TriggerArgs) {
	args.Filename = pulumi.String(buildFile)
	args.RepositoryEventConfig = cloudbuild.TriggerRepositoryEventConfigArgs{
		Repository: pulumi.String(b.CloudBuild.Name),
		PullRequest: cloudbuild.TriggerRepositoryEventConfigPullRequestArgs{
			Branch: pulumi.String("^" + regexp.QuoteMeta(b.Branch) + "$"),
			// A pull request of somebody without write access waits for /gcbrun of somebody
			// who has it: a build runs what the pull request contains.
			CommentControl: pulumi.String("COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"),
		},
	}
}

func (b *builder) onPush(args *cloudbuild.TriggerArgs) {
	args.Filename = pulumi.String(buildFile)
	args.RepositoryEventConfig = cloudbuild.TriggerRepositoryEventConfigArgs{
		Repository: pulumi.String(b.CloudBuild.Name),
		Push:       cloudbuild.TriggerRepositoryEventConfigPushArgs{Branch: pulumi.String("^" + regexp.QuoteMeta(b.Branch) + "$")},
	}
}

// byHand configures a trigger that a person or a schedule starts: it builds the branch.
func (b *builder) byHand(args *cloudbuild.TriggerArgs) {
	repository, ref, github := pulumi.String(b.CloudBuild.Name), pulumi.String("refs/heads/"+b.Branch), pulumi.String("GITHUB")
	args.SourceToBuild = cloudbuild.TriggerSourceToBuildArgs{Repository: repository, Ref: ref, RepoType: github}
	args.GitFileSource = cloudbuild.TriggerGitFileSourceArgs{Path: pulumi.String(buildFile), Repository: repository, Revision: ref, RepoType: github}
}
