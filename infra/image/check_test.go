package image

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"sync"
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

// provider is a fake of the gcp provider, and counts the calls.
type provider struct {
	mu    sync.Mutex
	asked []string
}

// NewResource implements pulumi.MockResourceMonitor.
func (*provider) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name, args.Inputs, nil
}

// Call implements pulumi.MockResourceMonitor.
func (p *provider) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, args.Token)
	return resource.PropertyMap{"accessToken": resource.NewStringProperty("token")}, nil
}

// checkInStack runs Check as a stack does.
func checkInStack(reference string) (*provider, error) {
	p := &provider{}
	return p, pulumi.RunErr(func(ctx *pulumi.Context) error {
		return Check(ctx, "shop", reference, "amd64")
	}, pulumi.WithMocks("project", "stack", p))
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
	_, err := checkInStack(pushed(t, v1.Config{User: "root"}))
	for _, want := range []string{"image of service shop", "neither ENTRYPOINT nor CMD", "runs as root"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check() = %v, want an error that says %q", err, want)
		}
	}
}

func TestCheckPassesWhatItCannotSee(t *testing.T) {
	t.Parallel()
	if _, err := checkInStack("127.0.0.1:1/shop@sha256:" + strings.Repeat("0", 64)); err != nil {
		t.Errorf("Check() = %v of a registry that does not answer, want a warning", err)
	}
	asked, err := checkInStack(pushed(t, v1.Config{User: "65532", Cmd: []string{"/shop"}}))
	if err != nil || len(asked.asked) != 0 {
		t.Errorf("Check() = %v after asking for %v, want nothing", err, asked.asked)
	}
}
