// Package project prepares the Google Cloud project: it enables the APIs that
// everything else calls.
package project

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// services are the APIs the program calls, and no others: Google enables what
// these depend on by itself. Service Usage, through which the rest is enabled,
// is on in every new project.
var services = []string{
	"artifactregistry.googleapis.com",
	"cloudresourcemanager.googleapis.com", // roles on the project
	"compute.googleapis.com",
	"container.googleapis.com",
	"iam.googleapis.com", // service accounts
}

// Project is a project that is ready to be used. Other components depend on it.
type Project struct {
	pulumi.ResourceState
}

// Args has nothing to choose: the project is that of the gcp provider.
type Args struct{}

// New enables the APIs.
func New(ctx *pulumi.Context, name string, _ *Args, opts ...pulumi.ResourceOption) (*Project, error) {
	p := &Project{}
	if err := ctx.RegisterComponentResource("grpc-edge:project:Project", name, p, opts...); err != nil {
		return nil, fmt.Errorf("registering project %q: %w", name, err)
	}
	for _, service := range services {
		short, _, _ := strings.Cut(service, ".")
		_, err := projects.NewService(ctx, name+"-"+short, &projects.ServiceArgs{
			Service: pulumi.String(service),
			// Other things in the project may use the API: it stays on.
			DisableOnDestroy: pulumi.Bool(false),
		}, pulumi.Parent(p))
		if err != nil {
			return nil, fmt.Errorf("enabling %s: %w", service, err)
		}
	}
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{})
}
