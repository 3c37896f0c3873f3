package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// registered describes a resource as the program registered it.
type registered struct {
	Type, Name string
	Inputs     resource.PropertyMap
	// Parent, Provider and DependsOn are types and names.
	Parent, Provider string
	// Retained reports whether the resource stays when the stack goes.
	Protect, Retained bool
	// DeleteBeforeReplace is the option of the program; the provider may decide the same.
	DeleteBeforeReplace bool
	IgnoreChanges       []string
	DependsOn           []string
	// UpdateTimeout is a duration; empty for the provider's own.
	UpdateTimeout string
	// ReplacementTrigger is the value whose change replaces it; empty for none.
	ReplacementTrigger string
	component          bool
}

// cloud is a fake of the engine and the providers. It accepts everything, records it, and
// invents the answers of a cloud. It is a real server because the mocks of the SDK cannot
// carry a secret that is unknown, which every first preview has.
type cloud struct {
	pulumirpc.UnimplementedResourceMonitorServer
	preview bool

	mu        sync.Mutex
	resources []registered
	functions map[string]bool // that the program calls
	outputs   resource.PropertyMap
}

// start serves the cloud, and the parts of the engine that a program needs.
func (c *cloud) start(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceMonitorServer(server, c)
	pulumirpc.RegisterEngineServer(server, engine{})
	go func() {
		if err := server.Serve(listener); err != nil {
			log.Printf("serving the engine: %v", err)
		}
	}()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

type engine struct {
	pulumirpc.UnimplementedEngineServer
}

// Log drops messages.
func (engine) Log(context.Context, *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// SetRootResource receives which resource is the stack.
func (engine) SetRootResource(context.Context, *pulumirpc.SetRootResourceRequest) (*pulumirpc.SetRootResourceResponse, error) {
	return &pulumirpc.SetRootResourceResponse{}, nil
}

// SupportsFeature reports the features that make programs send secrets and references as
// such.
func (c *cloud) SupportsFeature(_ context.Context, request *pulumirpc.SupportsFeatureRequest) (*pulumirpc.SupportsFeatureResponse, error) {
	return &pulumirpc.SupportsFeatureResponse{HasSupport: slices.Contains([]string{"secrets", "resourceReferences"}, request.GetId())}, nil
}

// projectNumber is the number of every project.
const projectNumber = "123456789012"

// Invoke answers the functions that the program calls: for a token, a project, the public
// key of a signing key, and a zone of Cloud DNS. The token and the data of a secret are
// secret, as they are in the gcp provider's schema.
func (c *cloud) Invoke(_ context.Context, request *pulumirpc.ResourceInvokeRequest) (*pulumirpc.ResourceInvokeResponse, error) {
	c.mu.Lock()
	c.functions[request.GetTok()] = true
	c.mu.Unlock()
	values := resource.NewPropertyMapFromMap(map[string]any{
		"number": projectNumber, "publicKeys": []any{map[string]any{"pem": signer.public}}, "dnsName": "example.com.",
	})
	values["accessToken"] = resource.MakeSecret(resource.NewProperty("token"))
	values["secretData"] = resource.MakeSecret(resource.NewProperty("1234"))
	answer, err := plugin.MarshalProperties(values, keep)
	return &pulumirpc.ResourceInvokeResponse{Return: answer}, err
}

// SignalAndWaitForShutdown returns at once: nothing is left to run.
func (c *cloud) SignalAndWaitForShutdown(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// keep holds options for unmarshalling without loss.
var keep = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true}

// RegisterResourceOutputs records the outputs of the stack.
func (c *cloud) RegisterResourceOutputs(_ context.Context, request *pulumirpc.RegisterResourceOutputsRequest) (*emptypb.Empty, error) {
	outputs, err := plugin.UnmarshalProperties(request.GetOutputs(), keep)
	if resource.URN(request.GetUrn()).Type() == resource.RootStackType {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.outputs = outputs
	}
	return &emptypb.Empty{}, err
}

// RegisterResource answers with the inputs and, unless it is a preview, with outputs that
// exist only after creation.
func (c *cloud) RegisterResource(_ context.Context, request *pulumirpc.RegisterResourceRequest) (*pulumirpc.RegisterResourceResponse, error) {
	var parent tokens.Type
	if request.GetParent() != "" {
		parent = resource.URN(request.GetParent()).QualifiedType()
	}
	urn := resource.NewURN("test", "grpc-edge", parent, tokens.Type(request.GetType()), request.GetName())
	inputs, err := plugin.UnmarshalProperties(request.GetObject(), keep)
	if err != nil || urn.Type() == resource.RootStackType {
		return &pulumirpc.RegisterResourceResponse{Urn: string(urn)}, err
	}
	c.remember(request, inputs)
	outputs, id := inputs.Copy(), ""
	if !c.preview {
		id = request.GetName() + "-id"
		if _, named := outputs["name"]; !named {
			outputs["name"] = resource.NewStringProperty(request.GetName())
		}
		for key, value := range computed[request.GetType()] {
			outputs[resource.PropertyKey(key)] = resource.NewPropertyValue(value)
		}
		for key, value := range computedOf(request.GetType(), inputs) {
			outputs[resource.PropertyKey(key)] = resource.NewPropertyValue(value)
		}
	}
	object, err := plugin.MarshalProperties(outputs, keep)
	return &pulumirpc.RegisterResourceResponse{Urn: string(urn), Id: id, Object: object}, err
}

func (c *cloud) remember(request *pulumirpc.RegisterResourceRequest, inputs resource.PropertyMap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resources = append(c.resources, registered{
		Type: request.GetType(), Name: request.GetName(), Inputs: inputs,
		Parent: short(request.GetParent()), Provider: provider(request.GetProvider()),
		Protect: request.GetProtect(), Retained: request.GetRetainOnDelete(), DeleteBeforeReplace: request.GetDeleteBeforeReplace(), IgnoreChanges: request.GetIgnoreChanges(),
		DependsOn:          shorts(request.GetDependencies()),
		UpdateTimeout:      request.GetCustomTimeouts().GetUpdate(),
		ReplacementTrigger: request.GetReplacementTrigger().GetStringValue(), component: !request.GetCustom(),
	})
}

// computed holds outputs by type, from ranges that are reserved for documentation.
var computed = map[string]map[string]any{
	"gcp:projects/serviceIdentity:ServiceIdentity":  {"email": "service-" + projectNumber + "@agent.iam.gserviceaccount.com"},
	"gcp:serviceaccount/account:Account":            {"email": "nodes@sandbox-project.iam.gserviceaccount.com"},
	"gcp:artifactregistry/repository:Repository":    {"location": "us-central1"},
	"gcp:container/cluster:Cluster":                 {"endpoint": "198.51.100.1", "masterAuth": map[string]any{"clusterCaCertificate": "Q0E="}},
	"tls:index/privateKey:PrivateKey":               {"privateKeyPem": "PRIVATE KEY"},
	"tls:index/selfSignedCert:SelfSignedCert":       {"certPem": "AUTHORITY", "validityEndTime": "END"},
	"tls:index/certRequest:CertRequest":             {"certRequestPem": "REQUEST"},
	"tls:index/locallySignedCert:LocallySignedCert": {"certPem": "LEAF"},

	"gcp:certificateauthority/certificate:Certificate": {"pemCertificate": "LEAF", "pemCertificateChains": []any{"ISSUER\n", "ROOT\n"}},
}

// computedOf returns what Google computes from the inputs of a resource: the identity in IAM,
// or the address.
func computedOf(kind string, inputs resource.PropertyMap) map[string]string {
	text := func(key string) string { return fmt.Sprint(plain(inputs[resource.PropertyKey(key)])) }
	const project, pools = "projects/sandbox-project/", "projects/" + projectNumber + "/locations/global/workloadIdentityPools/"
	switch {
	case kind == "gcp:compute/address:Address" && inputs.HasValue("ipVersion"):
		return map[string]string{"address": "2001:db8:0:1:8000::"}
	case kind == "gcp:compute/address:Address":
		return map[string]string{"address": "203.0.113.10"}
	case kind == "gcp:serviceaccount/account:Account" && inputs.HasValue("accountId"):
		email := text("accountId") + "@sandbox-project.iam.gserviceaccount.com"
		return map[string]string{"email": email, "name": project + "serviceAccounts/" + email}
	case kind == "gcp:projects/iAMCustomRole:IAMCustomRole":
		return map[string]string{"name": project + "roles/" + text("roleId")}
	case kind == "gcp:iam/workloadIdentityPool:WorkloadIdentityPool":
		return map[string]string{"name": pools + text("workloadIdentityPoolId")}
	case kind == "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider":
		return map[string]string{"name": pools + text("workloadIdentityPoolId") + "/providers/" + text("workloadIdentityPoolProviderId")}
	}
	return nil
}

// short returns the name in a URN. All names of one type differ. A component has the name
// of its main child.
func short(urn string) string {
	if urn == "" {
		return ""
	}
	return resource.URN(urn).Type().String() + " " + resource.URN(urn).Name()
}

func shorts(urns []string) []string {
	var list []string
	for _, urn := range urns {
		list = append(list, short(urn))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// provider returns the short name in a provider's reference, which is a URN and an ID.
func provider(reference string) string {
	return short(reference[:max(strings.LastIndex(reference, "::"), 0)])
}

// stackRun holds the result of one run of the program.
type stackRun struct {
	resources []registered
	functions []string
	outputs   resource.PropertyMap
}

// run runs the program with the configuration of the stack and changes to it. A private key
// among the changes is a secret.
func run(t testing.TB, stack string, preview bool, changes map[string]string) (stackRun, error) {
	t.Helper()
	return runIn(t, repository(t), stack, preview, changes)
}

// runIn runs the program with the sources in a folder.
func runIn(t testing.TB, root, stack string, preview bool, changes map[string]string) (stackRun, error) {
	t.Helper()
	c := &cloud{preview: preview, functions: map[string]bool{}}
	config := configOf(t, stack)
	maps.Copy(config, changes)
	address := c.start(t)
	err := pulumi.RunErr(program, func(info *pulumi.RunInfo) {
		*info = pulumi.RunInfo{
			Project: "grpc-edge", Stack: stack, RootDirectory: root, Config: config, DryRun: c.preview,
			MonitorAddr: address, EngineAddr: address, Parallel: 8,
			ConfigSecretKeys: []string{"grpc-edge:certificateKeyPem", "grpc-edge:services"},
		}
	})
	slices.SortFunc(c.resources, func(a, b registered) int {
		return strings.Compare(a.Type+a.Name, b.Type+b.Name)
	})
	return stackRun{resources: c.resources, functions: slices.Sorted(maps.Keys(c.functions)), outputs: c.outputs}, err
}

// mustRun runs a program and fails the test on an error.
func mustRun(t testing.TB, stack string, preview bool, changes map[string]string) stackRun {
	t.Helper()
	result, err := run(t, stack, preview, changes)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestMain replaces every registry by one of the tests, and every Cloud KMS key by one of
// the tests.
func TestMain(m *testing.M) {
	mux := http.NewServeMux()
	mux.Handle("/", registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	mux.Handle("cloudkms.googleapis.com/", signer)
	server := httptest.NewServer(mux)
	target, err := url.Parse(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	remote.DefaultTransport = redirect{target}
	if foreign, err = pushForeign(); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	server.Close()
	os.Exit(code)
}

type redirect struct{ to *url.URL }

func (r redirect) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host = r.to.Scheme, r.to.Host
	return http.DefaultTransport.RoundTrip(request)
}
