package languagehost

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/sandbox/pulumi/clitest"
)

// policyPack returns the folder of the repository's own policy pack.
func policyPack(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../policy")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// anything is a provider of any type, which accepts what it is given.
type anything struct {
	pulumirpc.UnimplementedResourceProviderServer
}

func (anything) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "1.0.0"}, nil
}

func (anything) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (anything) CheckConfig(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: request.GetNews()}, nil
}

func (anything) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

func (anything) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: request.GetNews()}, nil
}

func (anything) Create(_ context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	response := &pulumirpc.CreateResponse{Properties: request.GetProperties()}
	if !request.GetPreview() {
		response.Id = "id"
	}
	return response, nil
}

// serveAnything serves the provider, and returns the variable with which the engine uses it for
// these packages.
func serveAnything(t *testing.T, packages ...string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, anything{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "PULUMI_DEBUG_PROVIDERS=" + strings.Join(packages, ":"+port+",") + ":" + port
}

// home returns the folder where the project's commands keep what they build.
func home(p *clitest.Project) string {
	for _, variable := range p.Command().Env {
		if path, found := strings.CutPrefix(variable, "PULUMI_HOME="); found {
			return path
		}
	}
	return ""
}

type properties = map[string]any

type resource struct {
	Type, Name string
	Properties properties
	Provider   string
}

// newPoliced returns a project of these resources, and a pack that is found from it.
func newPoliced(t *testing.T, resources ...resource) *clitest.Project {
	t.Helper()
	p := newProject(t, "resources", "")
	p.Env = []string{serveAnything(t, "gcp", "kubernetes")}
	list, err := json.Marshal(resources)
	if err != nil {
		t.Fatal(err)
	}
	p.MustRun("config", "set", "resources", string(list))
	return p
}

// TestPolicyPackFailsThePreview checks that a preview with the pack reports all violations at once,
// and that up does not create what violates a rule. Without the pack the preview succeeds.
func TestPolicyPackFailsThePreview(t *testing.T) {
	t.Parallel()
	p := newPoliced(t,
		resource{Type: "gcp:compute/network:Network", Name: "vpc", Properties: properties{"autoCreateSubnetworks": true}},
		resource{Type: "gcp:compute/firewall:Firewall", Name: "ssh", Properties: properties{
			"sourceRanges": []any{"0.0.0.0/0"}, "allows": []any{properties{"protocol": "tcp", "ports": []any{"22"}}},
		}},
		resource{Type: "kubernetes:core/v1:Namespace", Name: "open", Properties: properties{"metadata": properties{
			"name": "open", "labels": properties{"pod-security.kubernetes.io/enforce": "restricted"},
		}}},
		resource{Type: "pulumi:providers:kubernetes", Name: "cluster", Properties: properties{"kubeconfig": "{}"}},
	)
	p.MustRun("preview")
	output, err := p.Run("preview", "--policy-pack", policyPack(t))
	if err == nil {
		t.Fatalf("the preview succeeded:\n%s", output)
	}
	waitFor(t, "the pack to end", func() bool { return !running(home(p)) })
	for _, want := range []string{
		`[mandatory]  network-custom`,
		`gcp:compute/network:Network "vpc": autoCreateSubnetworks is true, must be false`,
		`[mandatory]  firewall-only-443`,
		`gcp:compute/firewall:Firewall "ssh": allows[0].ports is ["22"], must be ["443"]`,
		`pulumi:providers:kubernetes "cluster": kubeconfig is in the clear`,
		`[mandatory]  namespace-closed`,
		`kubernetes:core/v1:Namespace "open": metadata.name is "open", must be the namespace of a NetworkPolicy`,
	} {
		if !strings.Contains(output, want) {
			t.Errorf("the preview does not say %q:\n%s", want, output)
		}
	}
	if output, err := p.Run("up", "--yes", "--skip-preview", "--policy-pack", policyPack(t)); err == nil {
		t.Errorf("up succeeded:\n%s", output)
	}
	if state := p.MustRun("stack", "export"); strings.Contains(state, `"vpc"`) || strings.Contains(state, "::vpc") {
		t.Errorf("up created what breaks a rule:\n%s", state)
	}
}

// TestPolicyPackPassesWhatIsRight checks that secrets stay secret on their way to the pack.
func TestPolicyPackPassesWhatIsRight(t *testing.T) {
	t.Parallel()
	p := newPoliced(t,
		resource{Type: "gcp:compute/network:Network", Name: "vpc", Properties: properties{"autoCreateSubnetworks": false}},
		resource{Type: "kubernetes:core/v1:Secret", Name: "key", Properties: properties{"data": "(secret)"}},
		resource{Type: "pulumi:providers:kubernetes", Name: "cluster", Properties: properties{"kubeconfig": "(secret)"}},
	)
	if output := p.MustRun("up", "--yes", "--policy-pack", policyPack(t)); strings.Contains(output, "mandatory") {
		t.Errorf("violations:\n%s", output)
	}
}

// TestPolicyPackWaitsForWhatIsUnknown checks that what a preview does not know is judged before it
// is created.
func TestPolicyPackWaitsForWhatIsUnknown(t *testing.T) {
	t.Parallel()
	p := newPoliced(t,
		resource{Type: "gcp:compute/network:Network", Name: "vpc", Properties: properties{"autoCreateSubnetworks": false}},
		resource{Type: "gcp:projects/iAMMember:IAMMember", Name: "grant", Properties: properties{"role": "(unknown)", "member": "(unknown)"}},
		resource{Type: "kubernetes:core/v1:Secret", Name: "key", Properties: properties{"data": "(unknown)"}},
	)
	p.MustRun("preview", "--policy-pack", policyPack(t))
	output, err := p.Run("up", "--yes", "--skip-preview", "--policy-pack", policyPack(t))
	if want := `kubernetes:core/v1:Secret "key": data is in the clear`; err == nil || !strings.Contains(output, want) {
		t.Errorf("up says nothing of %q (%v):\n%s", want, err, output)
	}
	if state := p.MustRun("stack", "export"); strings.Contains(state, "core/v1:Secret") || !strings.Contains(state, "iAMMember") {
		t.Errorf("up did not stop before the Secret:\n%s", state)
	}
}

// TestPolicyPackSeesTheFirstPreview checks that the rules on the whole stack see what will be
// created, although the provider of a cluster that does not exist yet answers nothing in a preview.
func TestPolicyPackSeesTheFirstPreview(t *testing.T) {
	t.Parallel()
	metadata := properties{"namespace": "space", "labels": properties{"app": "app"}}
	p := newPoliced(t,
		resource{Type: "gcp:compute/network:Network", Name: "vpc", Properties: properties{"autoCreateSubnetworks": false}},
		resource{Type: "pulumi:providers:kubernetes", Name: "cluster", Properties: properties{"kubeconfig": "(unknown)"}},
		resource{Type: "kubernetes:core/v1:Namespace", Name: "closed", Provider: "cluster", Properties: properties{"metadata": properties{
			"name": "space", "labels": properties{"pod-security.kubernetes.io/enforce": "restricted"},
		}}},
		resource{Type: "kubernetes:networking.k8s.io/v1:NetworkPolicy", Name: "deny", Provider: "cluster", Properties: properties{
			"metadata": metadata, "spec": properties{"podSelector": properties{}, "policyTypes": []any{"Ingress", "Egress"}},
		}},
		resource{Type: "kubernetes:apps/v1:Deployment", Name: "app", Provider: "cluster", Properties: properties{
			"metadata": metadata, "spec": properties{"replicas": 2, "template": properties{"metadata": metadata}},
		}},
	)
	output, err := p.Run("preview", "--policy-pack", policyPack(t))
	for rule, want := range map[string]bool{"workload-policy": true, "workload-budget": true, "namespace-closed": false} {
		if err == nil || strings.Contains(output, "[mandatory]  "+rule) != want {
			t.Errorf("%s is broken: want %t (%v):\n%s", rule, want, err, output)
		}
	}
}

// TestPolicyPackIsConfiguredByRule checks that one rule can be made advisory, or left out, by its
// name.
func TestPolicyPackIsConfiguredByRule(t *testing.T) {
	t.Parallel()
	p := newPoliced(t,
		resource{Type: "gcp:compute/network:Network", Name: "vpc", Properties: properties{"autoCreateSubnetworks": true}},
		resource{Type: "gcp:compute/subnetwork:Subnetwork", Name: "nodes", Properties: properties{"privateIpGoogleAccess": false}},
	)
	config := filepath.Join(t.TempDir(), "policy.json")
	text := `{"network-custom": "advisory", "subnet-private-access": {"enforcementLevel": "disabled"}}`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output := p.MustRun("preview", "--policy-pack", policyPack(t), "--policy-pack-config", config)
	if !strings.Contains(output, "[advisory]  network-custom") || strings.Contains(output, "subnet-private-access") {
		t.Errorf("want network-custom as advice and nothing of subnet-private-access:\n%s", output)
	}
}
