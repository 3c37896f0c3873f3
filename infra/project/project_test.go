package project

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/projects"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// record records what a program asks the engine for.
type record struct {
	mu   sync.Mutex
	list []string
}

func (r *record) add(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, token)
}

func (r *record) of(tokens ...string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.list), func(token string) bool { return !slices.Contains(tokens, token) }))
}

// NewResource creates any resource.
func (r *record) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.add(args.TypeToken)
	return args.Name, args.Inputs, nil
}

// Call answers a function with a token.
func (r *record) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	r.add(args.Token)
	return resource.PropertyMap{"accessToken": resource.NewProperty("token")}, nil
}

// held holds every request until it is released, and then does not answer.
type held struct {
	requests chan string
	release  chan struct{}
}

func (h held) RoundTrip(request *http.Request) (*http.Response, error) {
	h.requests <- request.URL.Host
	<-h.release
	return nil, errors.New("released")
}

// TestReadyWaitsForAnswers checks that a resource and a function that take Ready come after the
// last API has answered.
func TestReadyWaitsForAnswers(t *testing.T) {
	before := remote.DefaultTransport
	defer func() { remote.DefaultTransport = before }()
	const role, project = "gcp:projects/iAMCustomRole:IAMCustomRole", "gcp:organizations/getProject:getProject"
	synctest.Test(t, func(t *testing.T) {
		apis := held{requests: make(chan string, 100), release: make(chan struct{})}
		remote.DefaultTransport = apis
		engine, ended := &record{}, make(chan error, 1)
		go func() {
			ended <- pulumi.RunErr(func(ctx *pulumi.Context) error {
				p, err := New(ctx, "project", &Args{Project: "my-project"})
				if err != nil {
					return err
				}
				looked := organizations.LookupProjectOutput(ctx, organizations.LookupProjectOutputArgs{}, p.Ready)
				_, err = projects.NewIAMCustomRole(ctx, "role", &projects.IAMCustomRoleArgs{
					RoleId: pulumi.String("role"), Title: pulumi.String("Role"), Permissions: pulumi.StringArray{},
				}, p.Ready)
				ctx.Export("number", looked.Number())
				return err
			}, pulumi.WithMocks("grpc-edge", "test", engine))
		}()
		want := len(services) + 1
		for answered := range want {
			synctest.Wait() // nothing moves before another answer
			if asked := len(apis.requests); asked != want {
				t.Fatalf("%d APIs are asked, want %d", asked, want)
			}
			if early := engine.of(role, project); early > 0 {
				t.Errorf("%d were asked for after %d of %d answers", early, answered, want)
			}
			apis.release <- struct{}{}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if after := engine.of(role, project); after != 2 {
			t.Errorf("%d were asked for after the last answer, want 2", after)
		}
	})
}
