package delivery

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/iam"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// issuer signs the tokens of workflows, of all repositories of everybody (GitHub,
// "OpenID Connect reference").
const issuer = "https://token.actions.githubusercontent.com"

// federation lets workflows of the repository be the accounts.
func (b *builder) federation(accounts map[string]account) error {
	if err := b.checkNumber(); err != nil {
		return err
	}
	pool, err := iam.NewWorkloadIdentityPool(b.ctx, b.name, &iam.WorkloadIdentityPoolArgs{
		WorkloadIdentityPoolId: pulumi.String(b.PoolID),
		Description:            pulumi.String("Workflows that deliver stack " + b.Stack + " of grpc-edge"),
	}, b.parent)
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
			"attribute.workflow":   pulumi.String("assertion.workflow_ref"),
		},
		// Tokens of other repositories are refused here, whatever is granted below
		// (IAM, "Configure Workload Identity Federation with deployment pipelines").
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

// workflow is who may be the account of a role: all whose tokens have an attribute.
type workflow struct{ role, name, attribute string }

// workflows are those that may be an account. One that changes anything is known by its
// file at the branch: who changes the file elsewhere has another workflow.
//
// The previewer is any workflow of the repository, those of its pull requests
// included; those of forks get no token (GitHub, "Events that trigger workflows"). So is
// the reviewer, which is weaker, as it may change things: it does so for a pull request
// that nobody has read, and belongs in a project without production.
func (b *builder) workflows(repository string) []workflow {
	file := func(name string) string {
		return fmt.Sprintf("attribute.workflow/%s/.github/workflows/%s.yaml@refs/heads/%s", b.Repository, name, b.Branch)
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

// become lets workflows be an account.
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

// checkNumber compares the number that workflows will use with that of the project.
func (b *builder) checkNumber() error {
	project, err := organizations.LookupProject(b.ctx, &organizations.LookupProjectArgs{ProjectId: &b.Project}, b.parent)
	if err != nil {
		return fmt.Errorf("asking for the number of project %s: %w", b.Project, err)
	}
	if project.Number != b.ProjectNumber {
		return fmt.Errorf("grpc-edge:projectNumber is %q; it must be %q, the number of project %s; set it with: pulumi config set grpc-edge:projectNumber %s",
			b.ProjectNumber, project.Number, b.Project, project.Number)
	}
	return nil
}
