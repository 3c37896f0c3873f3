package image

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/tools/contract/check"
)

// Check refuses an image that was built elsewhere if its configuration shows that its pods
// could not run: another processor, root, nothing to run, or a missing image. It only warns
// of problems that pods may survive, and of a registry that it cannot ask. The reference is
// REGISTRY/PATH@sha256:…, and the architecture a GOARCH.
func Check(ctx *pulumi.Context, service, reference, architecture string) error {
	credentials, err := login(ctx, reference)
	if err != nil {
		return err
	}
	var broken []error
	for _, problem := range check.Image(ctx.Context(), reference, architecture, credentials) {
		text := fmt.Sprintf("image of service %s, %s: %s (docs/contract.md)", service, reference, problem.Text)
		if !problem.Warning {
			broken = append(broken, errors.New(text))
		} else if err := ctx.Log.Warn(text, nil); err != nil {
			return err
		}
	}
	return errors.Join(broken...)
}

// login returns the credentials for a registry: those of the gcp provider for Google's
// registries, and those of Docker's configuration for others.
func login(ctx *pulumi.Context, reference string) (remote.Option, error) {
	host, _, _ := strings.Cut(reference, "/")
	if !strings.HasSuffix(host, "-docker.pkg.dev") && host != "gcr.io" && !strings.HasSuffix(host, ".gcr.io") {
		return remote.WithAuthFromKeychain(authn.DefaultKeychain), nil
	}
	client, err := organizations.GetClientConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the gcp provider for an access token to look at %s: %w", reference, err)
	}
	return remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: client.AccessToken}), nil
}
