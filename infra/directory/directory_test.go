package directory

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/service"
	"example.com/grpc-edge/services/catalog"
)

// configMaps records the ConfigMaps that a program creates.
type configMaps struct{ created []resource.PropertyMap }

// NewResource implements pulumi.MockResourceMonitor.
func (c *configMaps) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.TypeToken == "kubernetes:core/v1:ConfigMap" {
		c.created = append(c.created, args.Inputs)
	}
	return args.Name, args.Inputs, nil
}

// Call implements pulumi.MockResourceMonitor.
func (c *configMaps) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) { return nil, nil }

// described describes a service of methods that each have messages of their own.
func described(n, methods int) *descriptorpb.FileDescriptorProto {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String(fmt.Sprintf("team/service%d/v1/service%d.proto", n, n)), Package: proto.String(fmt.Sprintf("team.service%d.v1", n)),
		Syntax: proto.String("proto3"), Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String(fmt.Sprintf("Service%dService", n))}},
	}
	for m := range methods {
		method := &descriptorpb.MethodDescriptorProto{Name: proto.String(fmt.Sprintf("UpdateThing%d", m))}
		for _, kind := range []string{"Request", "Response"} {
			message := &descriptorpb.DescriptorProto{Name: proto.String(method.GetName() + kind)}
			for i, field := range []string{"name", "display_name", "comment"} {
				message.Field = append(message.Field, &descriptorpb.FieldDescriptorProto{
					Name: proto.String(field), Number: proto.Int32(int32(i + 1)),
					Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
				})
			}
			file.MessageType = append(file.MessageType, message)
		}
		method.InputType = proto.String("." + file.GetPackage() + "." + method.GetName() + "Request")
		method.OutputType = proto.String("." + file.GetPackage() + "." + method.GetName() + "Response")
		file.Service[0].Method = append(file.Service[0].Method, method)
	}
	return file
}

func TestMemory(t *testing.T) {
	t.Parallel()
	for backends, want := range map[int]string{0: "64Mi", 128: "64Mi", 200: "82Mi", 500: "157Mi"} {
		if got := memory(backends); got != want {
			t.Errorf("memory(%d) = %s, want %s", backends, got, want)
		}
	}
}

func TestFiveHundredServicesFitIntoAConfigMap(t *testing.T) {
	t.Parallel()
	args := &Args{Descriptors: &descriptorpb.FileDescriptorSet{}, Service: service.Args{
		Namespace: pulumi.String("grpc-edge"), NamespaceName: "grpc-edge", Image: pulumi.String("directory"),
		Spec: catalog.Spec{CPU: "50m", Memory: "64Mi", Replicas: 2, TerminationSeconds: 30, StartupSeconds: 120},
	}}
	for n := range 500 {
		args.Descriptors.File = append(args.Descriptors.File, described(n, 10))
	}
	files, err := protodesc.NewFiles(args.Descriptors)
	if err != nil {
		t.Fatal(err)
	}
	for n, file := range args.Descriptors.GetFile() {
		own, err := files.FindFileByPath(file.GetName())
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("service%d", n)
		args.Backends = append(args.Backends, envoy.Backend{
			Name: name, Address: service.Host("grpc-edge", name), Port: service.Port, Services: envoy.Services(own),
		})
	}
	size := proto.Size(args.Descriptors)
	if size < 1<<20 {
		t.Fatalf("the descriptors take %d bytes, which fit as they are", size)
	}
	maps := &configMaps{}
	err = pulumi.RunErr(func(ctx *pulumi.Context) error {
		_, err := New(ctx, Name, args)
		return err
	}, pulumi.WithMocks("grpc-edge", "test", maps))
	if err != nil {
		t.Fatal(err)
	}
	if len(maps.created) != 1 {
		t.Fatalf("%d ConfigMaps were created, want 1", len(maps.created))
	}
	read := &descriptorpb.FileDescriptorSet{}
	for _, value := range maps.created[0]["binaryData"].ObjectValue() {
		t.Logf("packed, %d bytes of descriptors take %d in base64", size, len(value.StringValue()))
		if err := proto.Unmarshal(unpacked(t, value.StringValue()), read); err != nil {
			t.Fatal(err)
		}
	}
	if !proto.Equal(read, args.Descriptors) {
		t.Errorf("the ConfigMap has %d files, and not the %d given", len(read.GetFile()), len(args.Descriptors.GetFile()))
	}
}

func unpacked(t *testing.T, encoded string) []byte {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
