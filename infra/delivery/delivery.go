// Package delivery is who may run Pulumi on the stack from CI: a service account for
// each thing that CI does, with no more rights than that takes, and what lets
// workflows of one repository, or builds of Cloud Build, be those accounts. There are no keys.
//
// None of the accounts may change what this package makes: a pipeline that could
// would give itself any right. An owner of the project runs `pulumi up` for that.
//
// The bucket with Pulumi's state and the key of its secrets are older than the
// stack, which only grants their use; see [Bucket] and [Key] for their names.
package delivery

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// Delivery is the identities by which CI delivers the stack. Everything that it
// makes is its child: `pulumi destroy` leaves it all when told
// --exclude '**grpc-edge:delivery:Delivery**'.
type Delivery struct {
	pulumi.ResourceState

	// Emails are those of the service accounts, by role: previewer, deployer,
	// destroyer, with review stacks reviewer, and where Cloud Build deploys what was
	// approved planner.
	Emails map[string]pulumi.StringOutput
	// IdentityProvider is the full name of what workflows exchange their tokens at,
	// with the number of the project; the zero value without a repository on GitHub.
	IdentityProvider pulumi.StringOutput
}

// Args say who delivers what.
type Args struct {
	config.Delivery

	Project, Region string
	// Stack is at most 20 characters, as it is in the names of everything here.
	Stack string
	// PoolID is that of the workload identity pool: 4 to 32 characters, unique in the project.
	PoolID string
	// NodeAccount is the email of the account that nodes run as.
	NodeAccount pulumi.StringInput
	// KMSKey is the key whose use the stack grants, see [config.Config]; or empty.
	KMSKey string
	// SigningKey is the Cloud KMS key that those who deploy sign images with; or empty.
	SigningKey string
	// ServiceRoles are the roles that the stack gives to services.
	ServiceRoles []string
	// ServiceSecrets are the secrets of the project that the stack gives to services.
	ServiceSecrets []string
	// Approve lets Cloud Build deploy only what a person has approved.
	Approve bool
}

// New makes the accounts, and what CI needs to become them.
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

// builder is what the parts of the component have in common.
type builder struct {
	*Args
	ctx      *pulumi.Context
	name     string
	delivery *Delivery
	parent   pulumi.ResourceOrInvokeOption
}
