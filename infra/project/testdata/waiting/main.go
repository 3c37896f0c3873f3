// A program that uses APIs as soon as it has enabled them, for a test of the sandbox.
package main

import (
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/project"
)

func main() { pulumi.Run(deploy) }

func deploy(ctx *pulumi.Context) error {
	p, err := project.New(ctx, "project", &project.Args{Project: "test-project"})
	if err != nil {
		return err
	}
	looked := organizations.LookupProjectOutput(ctx, organizations.LookupProjectOutputArgs{}, p.Ready)
	ctx.Export("number", looked.Number())
	_, err = projects.NewIAMCustomRole(ctx, "role", &projects.IAMCustomRoleArgs{
		RoleId: pulumi.String("role"), Title: pulumi.String("Role"), Permissions: pulumi.ToStringArray([]string{"compute.networks.get"}),
	}, p.Ready)
	return err
}
