package image

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Image is an image in a registry.
type Image struct {
	pulumi.ResourceState

	// Digest is known in a preview.
	Digest string
	// Reference is REPOSITORY/NAME@DIGEST. In a preview it is plain text. In an update it
	// is known once the image is in the registry, so that whatever uses it waits.
	Reference pulumi.StringOutput
}

// Args describe the image and where it is pushed.
type Args struct {
	Built *Built
	// Repository is the path to which the image's name is added.
	Repository string
	// Ready is known once the repository accepts images. Whatever uses the image depends on
	// Readers.
	Ready   pulumi.BoolInput
	Readers []pulumi.Resource
}

// New pushes the image if this is not a preview.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Image, error) {
	i := &Image{}
	if err := ctx.RegisterComponentResource("grpc-edge:image:Image", name, i, opts...); err != nil {
		return nil, fmt.Errorf("registering image %q: %w", name, err)
	}
	i.Digest = args.Built.Digest
	reference := fmt.Sprintf("%s/%s@%s", args.Repository, args.Built.Name, i.Digest)
	if ctx.DryRun() {
		// With the dependencies of an update, as `pulumi up --plan` compares them.
		i.Reference = pulumi.OutputWithDependencies(ctx.Context(), pulumi.String(reference).ToStringOutput(), args.Readers...).(pulumi.StringOutput)
	} else {
		i.Reference = i.pushed(ctx, args.Built, reference, args.Ready)
	}
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{
		"digest": pulumi.String(i.Digest), "reference": i.Reference,
	})
}

// pushed pushes the image and returns its reference, known once the image is in the
// registry. It uses the identity of the gcp provider, so that one login is enough.
func (i *Image) pushed(ctx *pulumi.Context, built *Built, reference string, ready pulumi.BoolInput) pulumi.StringOutput {
	client := organizations.GetClientConfigOutput(ctx, pulumi.Parent(i))
	done := pulumi.All(client.AccessToken(), ready).ApplyTWithContext(ctx.Context(),
		func(background context.Context, known []any) (string, error) {
			token, isText := known[0].(string)
			if !isText {
				return "", fmt.Errorf("pushing %s: the gcp provider gave no access token", reference)
			}
			sent, err := built.Push(background, reference, token)
			if err != nil {
				return "", err
			}
			if sent {
				err = ctx.Log.Info("pushed "+reference, &pulumi.LogArgs{Resource: i})
			}
			if problem := built.Describe(background, reference, token); problem != nil {
				err = ctx.Log.Warn("the list of modules and the provenance are not attached; the next `pulumi up` tries again: "+problem.Error(), &pulumi.LogArgs{Resource: i})
			}
			return reference, err
		}).(pulumi.StringOutput)
	// The token is secret, but the reference is not.
	return pulumi.Unsecret(done).(pulumi.StringOutput)
}
