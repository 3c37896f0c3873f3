package image

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// resources is a fake engine without functions.
type resources struct{}

// NewResource implements pulumi.MockResourceMonitor.
func (resources) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name, args.Inputs, nil
}

// Call implements pulumi.MockResourceMonitor.
func (resources) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("the function %s is called", args.Token)
}

// checkInStack checks an image as a stack does, with a secret token.
func checkInStack(reference, token string) (err error) {
	return pulumi.RunErr(func(ctx *pulumi.Context) error {
		ctx.Export("image", checked(ctx, "shop", reference, "amd64", nil, pulumi.ToSecret(pulumi.String(token)).(pulumi.StringOutput)))
		return nil
	}, pulumi.WithMocks("project", "stack", resources{}))
}

// pushed returns the reference of an image with a configuration in a registry.
func pushed(t *testing.T, config v1.Config) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: config})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	reference, err := name.NewDigest(fmt.Sprintf("%s/shop@%s", strings.TrimPrefix(server.URL, "http://"), digest))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, image); err != nil {
		t.Fatal(err)
	}
	return reference.String()
}

func TestCheckNamesServiceAndProblem(t *testing.T) {
	t.Parallel()
	reference := pushed(t, v1.Config{User: "65532"})
	for _, token := range []string{"", "ya29.token"} {
		err := checkInStack(reference, token)
		for _, want := range []string{"image of service shop", "neither ENTRYPOINT nor CMD"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("with token %q: %v, want an error that says %q", token, err, want)
			}
		}
	}
}

func TestCheckPassesWhatItCannotSee(t *testing.T) {
	t.Parallel()
	if err := checkInStack("127.0.0.1:1/shop@sha256:"+strings.Repeat("0", 64), ""); err != nil {
		t.Errorf("%v of a registry that does not answer, want a warning", err)
	}
	if err := checkInStack(pushed(t, v1.Config{User: "65532", Cmd: []string{"/shop"}}), ""); err != nil {
		t.Errorf("%v of an image that keeps to the contract", err)
	}
}
