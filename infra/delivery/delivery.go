// Package delivery lets CI run Pulumi on the stack. It creates a service account for each
// job of CI, with only the permissions that the job needs. It lets workflows of one
// repository, or builds of Cloud Build, impersonate those accounts. There are no keys.
//
// None of the accounts may change what this package creates: a pipeline that could do
// so could give itself any permission. An owner of the project runs `pulumi up` for that.
//
// The bucket with Pulumi's state and the key of its secrets exist before the stack, which
// only grants access to them; see [Bucket] and [Key] for their names.
package delivery

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// Delivery holds the identities with which CI delivers the stack. Everything that it
// creates is its child: `pulumi destroy` keeps it all when run with --exclude
// '**grpc-edge:delivery:Delivery**'.
type Delivery struct {
	pulumi.ResourceState

	// Emails holds the emails of the service accounts, by role: previewer, deployer,
	// destroyer, reviewer with review stacks, and planner where Cloud Build deploys what
	// was approved.
	Emails map[string]pulumi.StringOutput
	// IdentityProvider is the full name of the provider with which workflows exchange their
	// tokens, with the number of the project; the zero value without a repository on
	// GitHub.
	IdentityProvider pulumi.StringOutput
}

// Args describe how CI delivers the stack.
type Args struct {
	config.Delivery

	Project, Region string
	// Stack is at most 20 characters, as it is in the names of everything here.
	Stack string
	// NodeAccount is the email of the account that nodes run as.
	NodeAccount pulumi.StringInput
	// KMSKey is the key that the stack grants the use of, see [config.Config]; or empty.
	KMSKey string
	// SigningKey is the Cloud KMS key with which deployers sign images; or empty.
	SigningKey string
	// ServiceRoles lists the roles that the stack grants to services.
	ServiceRoles []string
	// ServiceSecrets lists the secrets of the project that the stack gives to services.
	ServiceSecrets []string
	// Approve makes Cloud Build deploy only what a person has approved.
	Approve bool
	// Ready waits for the APIs, which must be usable before the project is looked up.
	Ready pulumi.ResourceOrInvokeOption
}

// New creates the accounts, and lets CI impersonate them.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Delivery, error) {
	d := &Delivery{Emails: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource("grpc-edge:delivery:Delivery", name, d, opts...); err != nil {
		return nil, fmt.Errorf("registering delivery %q: %w", name, err)
	}
	b := &builder{Args: args, ctx: ctx, name: name, delivery: d, parent: pulumi.Parent(d)}
	accounts, err := b.accounts()
	if err != nil {
		return nil, err
	}
	if args.Repository != "" {
		if err := b.federation(accounts); err != nil {
			return nil, err
		}
	}
	if args.CloudBuild.Name != "" {
		if err := b.triggers(accounts); err != nil {
			return nil, err
		}
	}
	emails := pulumi.StringMap{}
	for role, email := range d.Emails {
		emails[role] = email
	}
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{"emails": emails})
}

// builder holds what the parts of the component share.
type builder struct {
	*Args
	ctx      *pulumi.Context
	name     string
	delivery *Delivery
	parent   pulumi.ResourceOrInvokeOption
}
