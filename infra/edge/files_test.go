package edge

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/workload"
)

// recorder records the ConfigMap that is registered.
type recorder struct{ configMap resource.PropertyMap }

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.TypeToken == "kubernetes:core/v1:ConfigMap" {
		r.configMap = args.Inputs
	}
	return args.Name, args.Inputs, nil
}

func (*recorder) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

// services returns gRPC services of ten methods each. Every other method may be repeated.
func services(t *testing.T, n int) []envoy.Backend {
	t.Helper()
	var backends []envoy.Backend
	for i := range n {
		service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Service")}
		for j := range 10 {
			method := &descriptorpb.MethodDescriptorProto{
				Name:      proto.String(fmt.Sprintf("DoSomethingNumber%d", j)),
				InputType: proto.String(".google.protobuf.Empty"), OutputType: proto.String(".google.protobuf.Empty"),
			}
			if j%2 == 0 {
				method.Options = &descriptorpb.MethodOptions{IdempotencyLevel: descriptorpb.MethodOptions_IDEMPOTENT.Enum()}
			}
			service.Method = append(service.Method, method)
		}
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: proto.String(fmt.Sprintf("service%d.proto", i)), Package: proto.String(fmt.Sprintf("company.department%d.v1", i)), Syntax: proto.String("proto3"),
			Dependency: []string{"google/protobuf/empty.proto"}, Service: []*descriptorpb.ServiceDescriptorProto{service},
		}, files{})
		if err != nil {
			t.Fatal(err)
		}
		backends = append(backends, envoy.Backend{
			Name: fmt.Sprintf("service-%d", i), Address: fmt.Sprintf("service-%d.grpc-edge.svc.cluster.local.", i), Port: 8080,
			Services: []protoreflect.ServiceDescriptor{file.Services().Get(0)},
		})
	}
	return backends
}

// files resolves the one file that services imports.
type files struct{}

func (files) FindFileByPath(string) (protoreflect.FileDescriptor, error) {
	return emptypb.File_google_protobuf_empty_proto, nil
}

func (files) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	return emptypb.File_google_protobuf_empty_proto.Messages().ByName(name.Name()), nil
}

// TestConfigFits deploys two services, which anybody can read in the ConfigMap, and then so
// many that only the packed files fit.
func TestConfigFits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		services int
		packed   bool
	}{{2, false}, {500, true}} {
		var r recorder
		var c *configuration
		err := pulumi.RunErr(func(ctx *pulumi.Context) (err error) {
			c, err = (&Edge{}).newConfig(ctx, "edge", &Args{
				Namespace: pulumi.String("grpc-edge"), LifecycleImage: pulumi.String("lifecycle"), Config: envoy.Config{Backends: services(t, test.services)},
			})
			return err
		}, pulumi.WithMocks("project", "stack", &r))
		if err != nil {
			t.Fatal(err)
		}
		if (c.unpack != nil) != test.packed {
			t.Errorf("%d services: unpack = %v, want packed = %t", test.services, c.unpack, test.packed)
		}
		text, dir := bootstrapIn(t, r.configMap, test.packed), c.envoy.ConfigDir
		last := fmt.Sprintf("/company.department%d.v1.Service/", test.services-1)
		if !strings.Contains(text, last) || !json.Valid([]byte(text)) || test.packed && !strings.Contains(text, dir+"/certificate.json") {
			t.Errorf("%d services: the file does not lead to %s or to the certificate in %q", test.services, last, dir)
		}
	}
}

// bootstrapIn returns the file that Envoy starts with.
func bootstrapIn(t *testing.T, configMap resource.PropertyMap, packed bool) string {
	t.Helper()
	if !packed {
		return configMap["data"].ObjectValue()["envoy.json"].StringValue()
	}
	content, err := base64.StdEncoding.DecodeString(configMap["binaryData"].ObjectValue()["envoy.json.gz"].StringValue())
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTooLarge checks that files too large for any ConfigMap are refused before anything is
// deployed.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		_, err := workload.NewFiles(ctx, "edge-config", pulumi.String("grpc-edge"), Name,
			workload.Files{Binary: map[string][]byte{"a": make([]byte, 1<<20)}})
		return err
	}, pulumi.WithMocks("project", "stack", &recorder{}))
	if err == nil || !strings.Contains(err.Error(), `"edge-config" take 1048577 bytes, and a ConfigMap holds 1048576`) {
		t.Errorf("NewFiles() of 1 MiB and a name = %v", err)
	}
}
