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
	for role, workflows := range b.workflows(repository) {
		for name, attribute := range workflows {
			if err := b.become(pool, accounts[role], role+name, attribute); err != nil {
				return err
			}
		}
	}
	return nil
}

// workflows are those that may be an account, by its role, as attributes of their
// tokens, each with what its grant is called.
//
// A workflow is known by its file at the branch: who changes it elsewhere has
// another workflow. The previewer is any workflow of the repository, which includes
// those of its pull requests; those of forks get no token (GitHub, "Events that
// trigger workflows"). So is the reviewer, who for that may run what nobody has reviewed.
func (b *builder) workflows(repository string) map[string]map[string]string {
	file := func(name string) string {
		return fmt.Sprintf("attribute.workflow/%s/.github/workflows/%s@refs/heads/%s", b.Repository, name, b.Branch)
	}
	who := map[string]map[string]string{
		previewer.role: {"": "attribute.repository/" + repository},
		deployer.role:  {"-deploy": file("deploy.yaml"), "-rollback": file("rollback.yaml")},
		destroyer.role: {"-teardown": file("teardown.yaml")},
	}
	if b.ReviewStacks {
		who[reviewer.role] = map[string]string{"": "attribute.repository/" + repository}
	}
	return who
}

// become lets workflows with an attribute be an account.
func (b *builder) become(pool *iam.WorkloadIdentityPool, a account, name, attribute string) error {
	_, err := serviceaccount.NewIAMMember(b.ctx, b.name+"-"+name+"-workflow", &serviceaccount.IAMMemberArgs{
		ServiceAccountId: a.Name,
		Role:             pulumi.String("roles/iam.workloadIdentityUser"),
		Member:           pulumi.Sprintf("principalSet://iam.googleapis.com/%s/%s", pool.Name, attribute),
	}, b.parent)
	if err != nil {
		return fmt.Errorf("letting workflows be the %s: %w", name, err)
	}
	return nil
}

// checkNumber compares the number that workflows will use with that of the project.
func (b *builder) checkNumber() error {
	project, err := organizations.LookupProject(b.ctx, &organizations.LookupProjectArgs{ProjectId: &b.Project}, b.parent.(pulumi.InvokeOption))
	if err != nil {
		return fmt.Errorf("asking for the number of project %s: %w", b.Project, err)
	}
	if project.Number != b.ProjectNumber {
		return fmt.Errorf("grpc-edge:projectNumber is %q; it must be %q, the number of project %s; set it with: pulumi config set grpc-edge:projectNumber %s",
			b.ProjectNumber, project.Number, b.Project, project.Number)
	}
	return nil
}
