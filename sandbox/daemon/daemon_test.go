package daemon

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/credentialplugin"
)

func TestDeployerToken(t *testing.T) {
	t.Parallel()
	d := &daemon{state: State{Dir: t.TempDir()}, project: "demo"}
	file, err := d.deployerToken()
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(credentialplugin.DeployerToken(d.state.Dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(token) != 64 {
		t.Errorf("the token has %d digits, want 64 (32 bytes)", len(token))
	}
	line, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const email = "deployer@demo.iam.gserviceaccount.com"
	if want := string(token) + "," + email + "," + email + ",\"system:masters\"\n"; string(line) != want {
		t.Errorf("the API server's line is %q, want %q", line, want)
	}
	for _, secret := range []string{file, credentialplugin.DeployerToken(d.state.Dir)} {
		wantMode(t, secret, 0o600)
	}
	wantMode(t, filepath.Dir(file), 0o700)
	if _, err := d.deployerToken(); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(line) {
		t.Errorf("the token changed with a restart (%v)", err)
	}
	other := &daemon{state: State{Dir: t.TempDir()}, project: "demo"}
	if file, err = other.deployerToken(); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(file); err != nil || string(second) == string(line) {
		t.Errorf("two sandboxes have the same token (%v)", err)
	}
}

func TestRecovered(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	tests := map[string]struct {
		handle grpc.UnaryHandler
		want   any
		code   codes.Code
		err    string
	}{
		"answer": {func(_ context.Context, r any) (any, error) { return r, nil }, "request", codes.OK, ""},
		"error":  {func(context.Context, any) (any, error) { return nil, refused }, nil, codes.Unknown, "refused"},
		"panic":  {func(context.Context, any) (any, error) { panic("no such key") }, nil, codes.Internal, "no such key"},
		"nil pointer": {func(context.Context, any) (any, error) {
			var d *daemon
			return d.project, nil
		}, nil, codes.Internal, "nil pointer"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := recovered(t.Context(), "request", &grpc.UnaryServerInfo{FullMethod: "/Provider/Create"}, test.handle)
			if got != test.want || status.Code(err) != test.code {
				t.Errorf("got %v, %v, want %v, %v", got, err, test.want, test.code)
			}
			if err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
	}
}

// TestForwarding finds and routes an address that a stack has reserved in the cluster's region.
func TestForwarding(t *testing.T) {
	t.Parallel()
	for location, region := range map[string]string{"us-central1-a": "us-central1", "us-central1": "us-central1", "europe-west12-b": "europe-west12"} {
		f := &forwarding{spec: container.ClusterSpec{Location: location}}
		if got := f.region(); got != region {
			t.Errorf("%s is in region %s, want %s", location, got, region)
		}
	}
	cloud, err := gcp.Open(t.TempDir(), apis.All(nil))
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarding{cloud: cloud, spec: container.ClusterSpec{Project: "sandbox-project", Name: "edge", Location: "us-central1-a"}}
	if a, err := f.Reserved("edge"); a != (netip.Addr{}) || err == nil || !strings.Contains(err.Error(), "edge is not reserved in region us-central1") {
		t.Errorf("an address that nobody reserved gave %v, %v", a, err)
	}
	place := gcp.Place{Project: "sandbox-project", Region: "us-central1"}
	if _, err := cloud.Create(t.Context(), gcp.KindService, place, gcp.Properties{"service": "compute.googleapis.com"}); err != nil {
		t.Fatal(err)
	}
	made, err := cloud.Create(t.Context(), compute.KindAddress, place, gcp.Properties{"name": "edge"})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := f.Reserved("edge"); err != nil || a.String() != made.Status["address"] {
		t.Errorf("got the address %v (%v), want %v", a, err, made.Status["address"])
	}
}
