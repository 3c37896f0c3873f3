// Package project prepares the Google Cloud project: it enables the APIs that
// everything else calls.
package project

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// services lists the APIs that the program calls besides resourceManager. It lists no
// others: Google enables their dependencies by itself. Service Usage, which enables the
// rest, is enabled in every new project.
var services = []string{
	"artifactregistry.googleapis.com",
	"compute.googleapis.com",
	"container.googleapis.com",
	"iam.googleapis.com",        // service accounts
	"monitoring.googleapis.com", // dashboard and alerts
}

// resourceManager is the API that grants roles on the project. It is enabled first: while
// the provider enables others, it asks this API which project it works in
// (terraform-provider-google issue 6101).
const resourceManager = "cloudresourcemanager.googleapis.com"

// Project is a project that is ready to be used.
type Project struct {
	pulumi.ResourceState

	// Ready makes a resource, or a function call, depend on the APIs and wait until they are
	// usable. Others depend on the APIs and not on the component: a dependency on a
	// component may miss children that are still being registered (pulumi issue 7833).
	Ready pulumi.ResourceOrInvokeOption

	apis []pulumi.Resource
}

// Args describe the project, which must be that of the gcp provider.
type Args struct {
	// Project is the ID of the project.
	Project string
	// More lists APIs that only some stacks need, such as cloudkms.googleapis.com.
	More []string
}

// New enables the APIs.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Project, error) {
	p := &Project{}
	if err := ctx.RegisterComponentResource("grpc-edge:project:Project", name, p, opts...); err != nil {
		return nil, fmt.Errorf("registering project %q: %w", name, err)
	}
	first, err := p.enable(ctx, name, resourceManager)
	if err != nil {
		return nil, err
	}
	p.apis = []pulumi.Resource{first}
	names := slices.Concat(services, args.More)
	for _, service := range names {
		api, err := p.enable(ctx, name, service, pulumi.DependsOn([]pulumi.Resource{first}))
		if err != nil {
			return nil, err
		}
		p.apis = append(p.apis, api)
	}
	if p.Ready, err = p.ready(ctx, args.Project, append(names, resourceManager)); err != nil {
		return nil, err
	}
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{})
}

func (p *Project) enable(ctx *pulumi.Context, name, service string, opts ...pulumi.ResourceOption) (*projects.Service, error) {
	short, _, _ := strings.Cut(service, ".")
	enabled, err := projects.NewService(ctx, name+"-"+short, &projects.ServiceArgs{
		Service: pulumi.String(service),
		// The project may use the API for other things: it stays enabled.
		DisableOnDestroy: pulumi.Bool(false),
	}, append(opts, pulumi.Parent(p))...)
	if err != nil {
		return nil, fmt.Errorf("enabling %s: %w", service, err)
	}
	return enabled, nil
}
