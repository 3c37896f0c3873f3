package delivery

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/iam"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/internal/deliverynames"
)

// issuer signs the tokens of the workflows of all GitHub repositories (GitHub, "OpenID
// Connect reference").
const issuer = "https://token.actions.githubusercontent.com"

// federation lets workflows of the repository impersonate the accounts.
func (b *builder) federation(accounts map[string]account) error {
	pool, err := iam.NewWorkloadIdentityPool(b.ctx, b.name, &iam.WorkloadIdentityPoolArgs{
		WorkloadIdentityPoolId: pulumi.String(deliverynames.Pool(b.Stack)),
		Description:            pulumi.String("Workflows that deliver stack " + b.Stack + " of grpc-edge"),
	}, b.parent, b.checkNumber())
	if err != nil {
		return fmt.Errorf("creating the workload identity pool: %w", err)
	}
	claim, repository := "repository", b.Repository
	if b.RepositoryID != "" {
		claim, repository = "repository_id", b.RepositoryID
	}
	provider, err := iam.NewWorkloadIdentityPoolProvider(b.ctx, b.name+"-github", &iam.WorkloadIdentityPoolProviderArgs{
		WorkloadIdentityPoolId:         pool.WorkloadIdentityPoolId,
		WorkloadIdentityPoolProviderId: pulumi.String("github"),
		Oidc:                           iam.WorkloadIdentityPoolProviderOidcArgs{IssuerUri: pulumi.String(issuer)},
		AttributeMapping: pulumi.StringMap{
			"google.subject":       pulumi.String("assertion.sub"),
			"attribute.repository": pulumi.String("assertion." + claim),
			"attribute.deployment": pulumi.String("(has(assertion.environment) ? assertion.environment : '') + ':' + assertion.workflow_ref"),
		},
		// Tokens of other repositories are refused here, whatever the grants below (IAM,
		// "Configure Workload Identity Federation with deployment pipelines").
		AttributeCondition: pulumi.Sprintf("assertion.%s == '%s'", claim, repository),
	}, b.parent)
	if err != nil {
		return fmt.Errorf("creating the identity provider: %w", err)
	}
	b.delivery.IdentityProvider = provider.Name
	for _, w := range b.workflows(repository) {
		if err := b.become(pool, accounts[w.role], w); err != nil {
			return err
		}
	}
	return nil
}

// workflow lets all workflows whose tokens have an attribute impersonate the account of a
// role.
type workflow struct{ role, name, attribute string }

// workflows lists the workflows that may impersonate an account. A job that makes changes is
// identified by its workflow's file on the branch, and by its environment, which is the stack. A
// changed file on another branch is another workflow. Other jobs of the file have no environment
// in their tokens, or another one: what runs in them before anybody has approved cannot deploy
// (GitHub, "OpenID Connect reference").
//
// The previewer is any workflow of the repository, including those of its pull requests;
// workflows of forks get no token (GitHub, "Events that trigger workflows"). The reviewer
// is any workflow, too. This is weaker, as the reviewer makes changes for pull requests
// that nobody has read. It belongs in a project without production.
func (b *builder) workflows(repository string) []workflow {
	file := func(name string) string {
		return fmt.Sprintf("attribute.deployment/%s:%s/.github/workflows/%s.yaml@refs/heads/%s", b.Stack, b.Repository, name, b.Branch)
	}
	anyOf := "attribute.repository/" + repository
	list := []workflow{
		{previewer.role, "workflows", anyOf},
		{deployer.role, "deploy-workflow", file("deploy")},
		{deployer.role, "rollback-workflow", file("rollback")},
		{destroyer.role, "teardown-workflow", file("teardown")},
	}
	if b.ReviewStacks {
		list = append(list, workflow{reviewer.role, "workflows", anyOf})
	}
	return list
}

// become lets workflows impersonate an account.
func (b *builder) become(pool *iam.WorkloadIdentityPool, a account, w workflow) error {
	_, err := serviceaccount.NewIAMMember(b.ctx, b.name+"-"+w.role+"-"+w.name, &serviceaccount.IAMMemberArgs{
		ServiceAccountId: a.Name,
		Role:             pulumi.String("roles/iam.workloadIdentityUser"),
		Member:           pulumi.Sprintf("principalSet://iam.googleapis.com/%s/%s", pool.Name, w.attribute),
	}, b.parent)
	if err != nil {
		return fmt.Errorf("letting workflows be the %s: %w", w.role, err)
	}
	return nil
}

// checkNumber returns an option that checks first that the configured number of the
// project is the real one, which a first preview cannot know.
func (b *builder) checkNumber() pulumi.ResourceOption {
	project := organizations.LookupProjectOutput(b.ctx, organizations.LookupProjectOutputArgs{ProjectId: pulumi.String(b.Project)}, b.parent, b.Ready)
	return pulumi.DependsOnInputs(project.Number().ApplyT(func(number string) ([]pulumi.Resource, error) {
		if number != b.ProjectNumber {
			return nil, fmt.Errorf("grpc-edge:projectNumber is %q; it must be %q, the number of project %s; set it with: pulumi config set grpc-edge:projectNumber %s",
				b.ProjectNumber, number, b.Project, number)
		}
		return nil, nil
	}).(pulumi.ResourceArrayOutput))
}
