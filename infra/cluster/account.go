package cluster

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/serviceaccount"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// NodeAccount is the service account of the nodes. It is a separate component because
// repositories name it as their reader, and nodes need those repositories from their first
// minute.
type NodeAccount struct {
	pulumi.ResourceState

	// Email identifies the account.
	Email pulumi.StringOutput
	// Role grants the account its role. Nodes are created after it and deleted before it.
	Role *projects.IAMMember
}

// NodeAccountArgs describe the account.
type NodeAccountArgs struct {
	Project string
}

// NewNodeAccount creates the account with the role that every node needs, to write its logs
// and metrics (GKE, "Configure a custom node service account"). The alternative, the
// default account of Compute Engine, may be an editor of the whole project.
func NewNodeAccount(ctx *pulumi.Context, name string, args *NodeAccountArgs, opts ...pulumi.ResourceOption) (*NodeAccount, error) {
	a := &NodeAccount{}
	if err := ctx.RegisterComponentResource("grpc-edge:cluster:NodeAccount", name, a, opts...); err != nil {
		return nil, fmt.Errorf("registering node account %q: %w", name, err)
	}
	account, err := serviceaccount.NewAccount(ctx, name, &serviceaccount.AccountArgs{
		DisplayName: pulumi.String("Nodes of grpc-edge"),
	}, pulumi.Parent(a))
	if err != nil {
		return nil, fmt.Errorf("creating the service account of the nodes: %w", err)
	}
	a.Role, err = projects.NewIAMMember(ctx, name+"-node", &projects.IAMMemberArgs{
		Project: pulumi.String(args.Project),
		Role:    pulumi.String("roles/container.defaultNodeServiceAccount"),
		Member:  pulumi.Sprintf("serviceAccount:%s", account.Email),
	}, pulumi.Parent(a))
	if err != nil {
		return nil, fmt.Errorf("giving nodes their role: %w", err)
	}
	a.Email = account.Email
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{"email": a.Email})
}
