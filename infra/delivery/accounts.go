package delivery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/kms"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/secretmanager"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/roles"
	"example.com/grpc-edge/internal/deliverynames"
)

// job describes one job of CI and the account that runs it.
type job struct {
	role, title string
	// roles lists custom roles of the project: those of package roles, and repositories.
	roles []string
	// bucket and key are the roles for Pulumi's state: on the bucket, and on the key of the
	// secrets.
	bucket, key string
	// anyNodes lets nodes run as any account of the project, not only as the node account
	// of this stack.
	anyNodes bool
}

// Roles for the state. Previews read it and take no lock (pulumi v3.258, backend/diy,
// Preview). Every run decrypts with the key of the stack's secrets. Only `pulumi stack
// init` encrypts with it (secrets/cloud).
const (
	reads     = "roles/storage.objectViewer"
	writes    = "roles/storage.objectUser"
	decrypts  = "roles/cloudkms.cryptoKeyDecrypter"
	encrypts  = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
	actAs     = "iam.serviceAccounts.actAs"
	actAsRole = "roles/iam.serviceAccountUser"
	sign      = "cloudkms.cryptoKeyVersions.useToSign"
	signRole  = "roles/cloudkms.signer"
)

// repositories is the role with the permission share alone, which no condition limits: Artifact
// Registry does not recognise modifiedGrantsByRole, and fails requests by a role that is bound
// with a condition on it (IAM, "Attribute reference for IAM Conditions").
const (
	repositories = "repositories"
	share        = "artifactregistry.repositories.setIamPolicy"
)

var (
	previewer = job{role: "previewer", title: "Previews", roles: []string{roles.Preview}, bucket: reads, key: decrypts}
	deployer  = job{role: "deployer", title: "Deploys", roles: []string{roles.Deploy, repositories}, bucket: writes, key: decrypts}
	// The planner previews the branch for whoever approves its deployment by Cloud Build.
	// It stores the plan where builds of pull requests cannot write.
	planner = job{role: "planner", title: "Plans deployments to", roles: []string{roles.Preview}, bucket: reads, key: decrypts}
	// The destroyer runs `pulumi up` first, to turn off the deletion protection.
	destroyer = job{role: "destroyer", title: "Destroys", roles: []string{roles.Deploy, roles.Destroy, repositories}, bucket: writes, key: decrypts}
	// The reviewer creates new stacks, with their own nodes.
	reviewer = job{
		role: "reviewer", title: "Makes stacks of pull requests of", roles: []string{roles.Deploy, roles.Destroy, repositories},
		bucket: writes, key: encrypts, anyNodes: true,
	}
)

func (b *builder) jobs() []job {
	jobs := []job{previewer, deployer, destroyer}
	if b.planned() {
		jobs = append(jobs, planner)
	}
	if b.ReviewStacks {
		jobs = append(jobs, reviewer)
	}
	return jobs
}

// account is the service account of a job, once it exists.
type account struct {
	*serviceaccount.Account
	member pulumi.StringOutput
}

// accounts creates the account of each job and grants its roles. It returns them by role.
func (b *builder) accounts() (map[string]account, error) {
	custom, err := b.customRoles()
	if err != nil {
		return nil, err
	}
	made := map[string]account{}
	for _, j := range b.jobs() {
		created, err := serviceaccount.NewAccount(b.ctx, b.name+"-"+j.role, &serviceaccount.AccountArgs{
			AccountId:   pulumi.String(deliverynames.Account(j.role, b.Stack)),
			DisplayName: pulumi.Sprintf("%s stack %s of grpc-edge", j.title, b.Stack),
		}, b.parent)
		if err != nil {
			return nil, fmt.Errorf("creating the service account of the %s: %w", j.role, err)
		}
		a := account{created, pulumi.Sprintf("serviceAccount:%s", created.Email)}
		made[j.role], b.delivery.Emails[j.role] = a, created.Email
		if err := b.grant(j, a, custom); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// customRoles creates the custom roles in the project. Each stack has its own.
func (b *builder) customRoles() (map[string]*projects.IAMCustomRole, error) {
	made := map[string]*projects.IAMCustomRole{}
	for _, name := range []string{roles.Preview, roles.Deploy, roles.Destroy} {
		role, err := roles.Load(name)
		if err != nil {
			return nil, err
		}
		// On the project actAs and sign would let nodes run as any account of it, including the
		// destroyer, and sign with any key: see nodes and signing.
		role.Permissions = slices.DeleteFunc(role.Permissions, func(p string) bool { return p == actAs || p == sign || p == share })
		if made[name], err = b.customRole(name, role); err != nil {
			return nil, err
		}
	}
	var err error
	made[repositories], err = b.customRole(repositories, roles.Role{
		Title: "grpc-edge repositories", Description: "Changes who may use the project's Artifact Registry repositories",
		Stage: "GA", Permissions: []string{share},
	})
	return made, err
}

func (b *builder) customRole(name string, role roles.Role) (*projects.IAMCustomRole, error) {
	made, err := projects.NewIAMCustomRole(b.ctx, b.name+"-"+name, &projects.IAMCustomRoleArgs{
		// Only letters, digits, _ and . are allowed in an ID (IAM, "Create and manage
		// custom roles"), and the name of a stack has no _.
		RoleId:      pulumi.String("grpcEdge." + name + "." + strings.ReplaceAll(b.Stack, "-", "_")),
		Title:       pulumi.String(role.Title + " " + b.Stack),
		Description: pulumi.String(role.Description),
		Stage:       pulumi.String(role.Stage),
		Permissions: pulumi.ToStringArray(role.Permissions),
	}, b.parent)
	if err != nil {
		return nil, fmt.Errorf("creating the role for %s: %w", name, err)
	}
	return made, nil
}

// grant grants an account the permissions of its job.
func (b *builder) grant(j job, a account, custom map[string]*projects.IAMCustomRole) error {
	for _, name := range j.roles {
		binding := &projects.IAMMemberArgs{Project: pulumi.String(b.Project), Role: custom[name].Name, Member: a.member}
		if name == roles.Deploy || name == roles.Destroy {
			binding.Condition = b.limitedGrants()
		}
		if _, err := projects.NewIAMMember(b.ctx, b.name+"-"+j.role+"-"+name, binding, b.parent); err != nil {
			return fmt.Errorf("letting the %s %s: %w", j.role, name, err)
		}
	}
	if err := b.nodes(j, a); err != nil {
		return err
	}
	if err := b.signing(j, a); err != nil {
		return err
	}
	if err := b.secrets(j, a); err != nil {
		return err
	}
	return b.state(j, a)
}

// limitedGrants returns the condition for roles that may change policies: they may grant
// only the roles that the stack itself grants to nodes, to services and on its key (IAM, "Set
// limits on granting roles"). Their other permissions grant nothing, so for them the list of
// modified roles is empty and the condition holds.
func (b *builder) limitedGrants() *projects.IAMMemberConditionArgs {
	grants := func(roles string) string {
		return "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([" + roles + "])"
	}
	granted := append([]string{"roles/container.defaultNodeServiceAccount"}, b.ServiceRoles...)
	expression := grants("'" + strings.Join(granted, "', '") + "'")
	if b.KMSKey != "" {
		expression += fmt.Sprintf(" || resource.name == '%s' && %s", b.KMSKey, grants("'"+encrypts+"'"))
	}
	return &projects.IAMMemberConditionArgs{
		Title:      pulumi.String("only-what-the-stack-grants"),
		Expression: pulumi.String(expression),
	}
}

// nodes lets the jobs that create nodes run them as the node account.
func (b *builder) nodes(j job, a account) error {
	var err error
	switch {
	case j.anyNodes:
		_, err = projects.NewIAMMember(b.ctx, b.name+"-"+j.role+"-nodes", &projects.IAMMemberArgs{
			Project: pulumi.String(b.Project), Role: pulumi.String(actAsRole), Member: a.member,
		}, b.parent)
	case slices.Contains(j.roles, roles.Deploy):
		_, err = serviceaccount.NewIAMMember(b.ctx, b.name+"-"+j.role+"-nodes", &serviceaccount.IAMMemberArgs{
			ServiceAccountId: pulumi.Sprintf("projects/%s/serviceAccounts/%s", b.Project, b.NodeAccount),
			Role:             pulumi.String(actAsRole), Member: a.member,
		}, b.parent)
	}
	if err != nil {
		return fmt.Errorf("letting the %s run nodes: %w", j.role, err)
	}
	return nil
}

// secrets lets every job read the secrets that services name in Secret Manager, and no
// others: whoever deploys a service puts its secrets into the cluster.
func (b *builder) secrets(j job, a account) error {
	for _, secret := range b.ServiceSecrets {
		_, err := secretmanager.NewSecretIamMember(b.ctx, b.name+"-"+j.role+"-"+secret, &secretmanager.SecretIamMemberArgs{
			Project: pulumi.String(b.Project), SecretId: pulumi.String(secret),
			Role: pulumi.String("roles/secretmanager.secretAccessor"), Member: a.member,
		}, b.parent)
		if err != nil {
			return fmt.Errorf("letting the %s read the secret %s: %w", j.role, secret, err)
		}
	}
	return nil
}

// signing lets the jobs that push images sign them, with the stack's key only. Review stacks
// have no key, as they run what nobody has reviewed.
func (b *builder) signing(j job, a account) error {
	if b.SigningKey == "" || !slices.Contains(j.roles, roles.Deploy) || j.role == reviewer.role {
		return nil
	}
	_, err := kms.NewCryptoKeyIAMMember(b.ctx, b.name+"-"+j.role+"-signing", &kms.CryptoKeyIAMMemberArgs{
		CryptoKeyId: pulumi.String(b.SigningKey), Role: pulumi.String(signRole), Member: a.member,
	}, b.parent)
	if err != nil {
		return fmt.Errorf("letting the %s sign images: %w", j.role, err)
	}
	return nil
}
