// Package identity grants the pods of one service roles in Google Cloud by Workload
// Identity Federation for GKE. The pods are a principal of their own, with no Google
// service account and no key.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/services/catalog"
)

// Identity holds the roles that the pods of one service have in Google Cloud.
type Identity struct {
	pulumi.ResourceState

	// Grants lists the bindings. Pods that use them are created after them and deleted
	// before them.
	Grants []pulumi.Resource
}

// Args describe the identity.
type Args struct {
	Project string
	// Namespace and Accounts name the Kubernetes service accounts of the pods.
	Namespace string
	Accounts  []string
	Roles     []catalog.Role
	// Cluster is the cluster of the pods: the first one of a project creates the pool of
	// their principals, without which IAM refuses the grants.
	Cluster pulumi.Resource
	// Ready waits for the APIs, which must be usable before the project is looked up.
	Ready pulumi.ResourceOrInvokeOption
}

// New grants the roles.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Identity, error) {
	i := &Identity{}
	if err := ctx.RegisterComponentResource("grpc-edge:identity:Identity", name, i, opts...); err != nil {
		return nil, fmt.Errorf("registering identity %q: %w", name, err)
	}
	project := organizations.LookupProjectOutput(ctx, organizations.LookupProjectOutputArgs{ProjectId: pulumi.String(args.Project)},
		pulumi.Parent(i), args.Ready)
	for _, account := range args.Accounts {
		// The form of a principal for one Kubernetes service account (GKE, "About
		// Workload Identity Federation for GKE").
		member := pulumi.Sprintf("principal://iam.googleapis.com/projects/%s/locations/global/workloadIdentityPools/%s.svc.id.goog/subject/ns/%s/sa/%s",
			project.Number(), args.Project, args.Namespace, account)
		for _, role := range args.Roles {
			if err := i.grant(ctx, account, role, member, args); err != nil {
				return nil, err
			}
		}
	}
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{})
}

// grant binds a role to an account. Google Cloud identifies a binding by its role, member
// and condition, whatever Pulumi calls it. If Pulumi's name had less than these in it, or a place
// in a list, a replacement would delete the binding that it had just created.
func (i *Identity) grant(ctx *pulumi.Context, account string, role catalog.Role, member pulumi.StringInput, args *Args) error {
	name := account + "/" + role.Role
	described := &projects.IAMMemberArgs{Project: pulumi.String(args.Project), Role: pulumi.String(role.Role), Member: member}
	if role.Condition != "" {
		sum := sha256.Sum256([]byte(role.Condition))
		short := hex.EncodeToString(sum[:5])
		name += "/" + short
		described.Condition = projects.IAMMemberConditionArgs{
			// At most 100 characters, so without the role.
			Title: pulumi.String(account[:min(len(account), 100-1-len(short))] + "-" + short), Expression: pulumi.String(role.Condition),
		}
	}
	grant, err := projects.NewIAMMember(ctx, name, described, pulumi.Parent(i), pulumi.DependsOn([]pulumi.Resource{args.Cluster}))
	if err != nil {
		return fmt.Errorf("granting %s to %q: %w", role.Role, name, err)
	}
	i.Grants = append(i.Grants, grant)
	return nil
}
