package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	echo "grpc-edge/services/echo/api"
)

// BenchmarkPreview is the program alone, without the engine, as services grow: it
// builds the image of each and describes what is deployed. Images are built from
// one source under many names, so that each is linked and packed.
func BenchmarkPreview(b *testing.B) {
	for _, n := range []int{2, 10, 100} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			sources := manyServices(b, n)
			var resources int
			b.ReportAllocs()
			for b.Loop() {
				result, err := runIn(b, sources, "sandbox", true, nil)
				if err != nil {
					b.Fatal(err)
				}
				resources = len(result.resources)
			}
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			b.ReportMetric(float64(memory.Sys)/1e6, "MB-of-memory")
			b.ReportMetric(float64(resources), "resources")
		})
	}
}

// manyServices has the program deploy so many services, and returns the folder of
// their sources.
func manyServices(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	real, err := filepath.Abs(root)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "services"), 0o755); err != nil {
		b.Fatal(err)
	}
	link := func(from, to string) {
		b.Helper()
		if err := os.Symlink(filepath.Join(real, from), filepath.Join(dir, to)); err != nil {
			b.Fatal(err)
		}
	}
	link("Pulumi.yaml", "Pulumi.yaml")
	link("envoy", "envoy")
	link("services/directory", "services/directory")
	before := services
	b.Cleanup(func() { services = before })
	services = nil
	for i := range n {
		folder := fmt.Sprintf("services/s%d", i)
		link("services/echo", folder)
		described := proto.CloneOf(protodesc.ToFileDescriptorProto(echo.File_api_echo_proto))
		described.Name, described.Package = proto.String(folder+".proto"), proto.String(fmt.Sprintf("s%d", i))
		for _, method := range described.GetService()[0].GetMethod() { // whose types and path are those of another
			method.Options = nil
			method.InputType = proto.String(fmt.Sprintf(".s%d.EchoRequest", i))
			method.OutputType = proto.String(fmt.Sprintf(".s%d.EchoResponse", i))
		}
		services = append(services, entry{Folder: folder, File: newFile(b, described)})
	}
	return dir
}

func newFile(b *testing.B, described *descriptorpb.FileDescriptorProto) protoreflect.FileDescriptor {
	b.Helper()
	file, err := protodesc.NewFile(described, protoregistry.GlobalFiles)
	if err != nil {
		b.Fatal(err)
	}
	return file
}
