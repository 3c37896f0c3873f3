package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/cmd/contract/check"
	"example.com/grpc-edge/services/catalog"
)

// Checked returns the reference of an image that was built elsewhere. It is known once the
// image's configuration has been checked. It refuses an image whose pods could not run: for another
// processor, without a program, or missing. It only warns of problems that pods may
// survive, and of a registry that it cannot ask. The reference is REGISTRY/PATH@sha256:…, and
// the architecture a GOARCH. The command is what pods run instead of the image's own; nil for that.
func Checked(ctx *pulumi.Context, service, reference, architecture string, command []string) pulumi.StringOutput {
	token := pulumi.String("").ToStringOutput()
	if catalog.OfGoogle(reference) {
		token = organizations.GetClientConfigOutput(ctx).AccessToken()
	}
	return checked(ctx, service, reference, architecture, command, token)
}

// checked is Checked with an access token for the registry. Without one it uses the
// credentials of Docker's configuration.
func checked(ctx *pulumi.Context, service, reference, architecture string, command []string, token pulumi.StringOutput) pulumi.StringOutput {
	done := token.ApplyTWithContext(ctx.Context(), func(background context.Context, token string) (string, error) {
		credentials := remote.WithAuthFromKeychain(authn.DefaultKeychain)
		if token != "" {
			credentials = remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: token})
		}
		var broken []error
		for _, problem := range check.Image(background, reference, architecture, command, credentials) {
			text := fmt.Sprintf("image of service %s, %s: %s (docs/contract.md)", service, reference, problem.Text)
			if !problem.Warning {
				broken = append(broken, errors.New(text))
			} else if err := ctx.Log.Warn(text, nil); err != nil {
				return "", err
			}
		}
		return reference, errors.Join(broken...)
	}).(pulumi.StringOutput)
	// The token is secret, but the reference is not.
	return pulumi.Unsecret(done).(pulumi.StringOutput)
}
