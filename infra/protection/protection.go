// Package protection prevents a stack from being destroyed by accident, as a whole.
//
// The engine deletes in the order of dependencies, starting with what nothing depends on.
// It refuses a protected resource only when its turn comes. With only the cluster
// protected, `pulumi destroy` would fail only after every workload is gone. So there is one
// protected resource that depends on all others. Its turn comes first, and nothing is
// deleted.
package protection

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Protection is the resource that depends on all others.
type Protection struct {
	pulumi.ResourceState

	others []pulumi.Resource
}

// Watch records every resource that is registered from now on.
func Watch(ctx *pulumi.Context) (*Protection, error) {
	p := &Protection{}
	return p, ctx.RegisterStackTransformation(func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		p.others = append(p.others, args.Resource)
		return nil
	})
}

// Register makes the stack refuse to be destroyed if on is true. Call it last: what is
// registered later is not protected. Whoever tries to destroy the stack reads its name.
func (p *Protection) Register(ctx *pulumi.Context, name string, on bool) error {
	err := ctx.RegisterComponentResource("grpc-edge:protection:Protection", name, p, pulumi.DependsOn(p.others), pulumi.Protect(on))
	if err != nil {
		return fmt.Errorf("registering protection %q: %w", name, err)
	}
	return ctx.RegisterResourceOutputs(p, pulumi.Map{})
}
