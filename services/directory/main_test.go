package main

import (
	"compress/gzip"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthserver "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/services/chassis/chassistest"
)

func TestMain(m *testing.M) { chassistest.Main(m, main) }

// served and other are services of one file of gRPC's own, for tests.
const (
	served = "grpc.testing.TestService"
	other  = "grpc.testing.UnimplementedService"
)

// extending describes a file with extensions like google.api.http.
var extending = &descriptorpb.FileDescriptorProto{
	Name: proto.String("extending.proto"), Package: proto.String("extending"),
	Dependency: []string{"google/protobuf/descriptor.proto"},
	Extension:  []*descriptorpb.FieldDescriptorProto{extension("outer", 50_001)},
	MessageType: []*descriptorpb.DescriptorProto{{
		Name:      proto.String("Scope"),
		Extension: []*descriptorpb.FieldDescriptorProto{extension("inner", 50_002)},
	}},
}

func extension(name string, number int32) *descriptorpb.FieldDescriptorProto {
	return &descriptorpb.FieldDescriptorProto{
		Name: proto.String(name), Number: proto.Int32(number), Extendee: proto.String(".google.protobuf.MethodOptions"),
		Type:  descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum(),
		Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
}

// descriptors writes the set of the files, with all they import, and the one with
// extensions.
func descriptors(t *testing.T, files ...protoreflect.FileDescriptor) (path string) {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	for _, file := range append(files, descriptorpb.File_google_protobuf_descriptor_proto) {
		add(file)
	}
	return write(t, append(set.File, extending)...)
}

func write(t *testing.T, files ...*descriptorpb.FileDescriptorProto) (path string) {
	t.Helper()
	content, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		t.Fatal(err)
	}
	return pack(t, content)
}

// pack writes the content, packed by gzip.
func pack(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "services.protoset.gz")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(file)
	if _, err := packed.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(packed.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// startDirectory starts the directory for the service served, with the target as its backend.
func startDirectory(t *testing.T, target string) *grpc.ClientConn {
	t.Helper()
	return chassistest.Start(t, "BACKENDS="+served+"="+target,
		"DESCRIPTORS="+descriptors(t, grpc_testing.File_grpc_testing_test_proto))
}

// backend is one server of a service.
type backend struct {
	*healthserver.Server
	address string
	stop    func()
}

// startBackend serves health at the address, or at a free one. It knows only the empty
// name, which is all that docs/contract.md asks for.
func startBackend(t *testing.T, address string) *backend {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server, health := grpc.NewServer(), healthserver.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health)
	go server.Serve(listener) //nolint:errcheck // ends with Stop
	t.Cleanup(server.Stop)
	return &backend{health, listener.Addr().String(), server.Stop}
}

const anyPort = "127.0.0.1:0"

// bounded returns the context of a test's calls.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), chassistest.Timeout)
	t.Cleanup(cancel)
	return ctx
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(chassistest.Timeout); !ask(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", chassistest.Timeout, what)
		}
	}
}
