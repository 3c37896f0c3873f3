package envoy

import (
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestNoDeprecatedFields looks into every message, extensions included.
func TestNoDeprecatedFields(t *testing.T) {
	t.Parallel()
	config := Config{Backends: []Backend{
		{Name: "echo", Address: "echo.example", Port: 1, Services: Services(healthpb.File_grpc_health_v1_health_proto)},
	}}.withDefaults()
	for _, found := range deprecated(t, bootstrap(config)) {
		t.Errorf("the bootstrap sets the deprecated %s", found)
	}
	for _, found := range deprecated(t, certificateResources(config.CertificateDir)) {
		t.Errorf("the certificate sets the deprecated %s", found)
	}

	old := &bootstrapv3.Bootstrap{StaticResources: &bootstrapv3.Bootstrap_StaticResources{
		Clusters: []*clusterv3.Cluster{{UseTcpForDnsLookups: true}},
	}}
	if len(deprecated(t, old)) != 1 {
		t.Error("the search for deprecated fields does not find one that is there")
	}
}

func deprecated(t *testing.T, m proto.Message) []protopath.Path {
	t.Helper()
	var found []protopath.Path
	err := protorange.Range(m.ProtoReflect(), func(values protopath.Values) error {
		step := values.Path.Index(-1)
		if step.Kind() != protopath.FieldAccessStep {
			return nil
		}
		if options, ok := step.FieldDescriptor().Options().(*descriptorpb.FieldOptions); ok && options.GetDeprecated() {
			found = append(found, append(protopath.Path{}, values.Path...))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRenderValidatesExtensions breaks a rule where the validators generated for
// the bootstrap do not see it: in a filter, packed in Any.
func TestRenderValidatesExtensions(t *testing.T) {
	t.Parallel()
	listener := &listenerv3.Listener{FilterChains: []*listenerv3.FilterChain{{
		Filters: []*listenerv3.Filter{networkFilter(&hcmv3.HttpConnectionManager{StatPrefix: ""})},
	}}}
	if err := listener.ValidateAll(); err != nil {
		t.Fatalf("the listener's own validator objects: %v", err)
	}
	if _, err := render(listener); err == nil || !strings.Contains(err.Error(), "StatPrefix") {
		t.Errorf("render() = %v, want an error about StatPrefix", err)
	}
}
