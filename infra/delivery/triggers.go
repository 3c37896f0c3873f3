package delivery

import (
	"fmt"
	"regexp"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/cloudbuild"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// buildFile is what builds do, in the root of the repository.
const buildFile = "cloudbuild.yaml"

// triggers have Cloud Build preview pull requests and deploy the branch.
func (b *builder) triggers(accounts map[string]account) error {
	branch := pulumi.String("^" + regexp.QuoteMeta(b.Branch) + "$")
	err := b.trigger("preview", accounts[previewer.role], &cloudbuild.TriggerArgs{
		Description: pulumi.String("Preview pull requests for stack " + b.Stack),
		RepositoryEventConfig: cloudbuild.TriggerRepositoryEventConfigArgs{
			Repository: pulumi.String(b.CloudBuild.Name),
			PullRequest: cloudbuild.TriggerRepositoryEventConfigPullRequestArgs{
				Branch: branch,
				// Who may not write to the repository waits for /gcbrun of somebody who
				// may: what a build runs is what the pull request says.
				CommentControl: pulumi.String("COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"),
			},
		},
	})
	if err != nil {
		return err
	}
	return b.trigger("deploy", accounts[deployer.role], &cloudbuild.TriggerArgs{
		Description: pulumi.String("Deploy branch " + b.Branch + " to stack " + b.Stack),
		RepositoryEventConfig: cloudbuild.TriggerRepositoryEventConfigArgs{
			Repository: pulumi.String(b.CloudBuild.Name),
			Push:       cloudbuild.TriggerRepositoryEventConfigPushArgs{Branch: branch},
		},
		ApprovalConfig: cloudbuild.TriggerApprovalConfigArgs{ApprovalRequired: pulumi.Bool(b.Approve)},
	})
}

// trigger starts builds of one job as its account.
func (b *builder) trigger(job string, a account, args *cloudbuild.TriggerArgs) error {
	// An account of one's own writes its logs itself (Cloud Build, "Configure
	// user-specified service accounts").
	logs, err := projects.NewIAMMember(b.ctx, b.name+"-"+job+"-logs", &projects.IAMMemberArgs{
		Project: pulumi.String(b.Project), Role: pulumi.String("roles/logging.logWriter"), Member: a.member,
	}, b.parent)
	if err != nil {
		return fmt.Errorf("letting builds that %s write logs: %w", job, err)
	}
	args.Name = pulumi.String("grpc-edge-" + job + "-" + b.Stack)
	args.Location = pulumi.String(b.CloudBuild.Location)
	args.Filename = pulumi.String(buildFile)
	args.ServiceAccount = a.Name
	args.Substitutions = pulumi.StringMap{"_STACK": pulumi.String(b.Stack), "_JOB": pulumi.String(job)}
	if _, err := cloudbuild.NewTrigger(b.ctx, b.name+"-"+job, args, b.parent, pulumi.DependsOn([]pulumi.Resource{logs})); err != nil {
		return fmt.Errorf("creating the trigger of builds that %s: %w", job, err)
	}
	return nil
}
