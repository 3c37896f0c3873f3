// Package prototest makes descriptors of gRPC services from the text of a proto
// file, so that a test contains the services it is about.
package prototest

import (
	"context"
	"testing"

	"github.com/bufbuild/protocompile"
	_ "google.golang.org/genproto/googleapis/api/annotations" // google/api/annotations.proto, for imports
	_ "google.golang.org/genproto/googleapis/api/httpbody"    // google/api/httpbody.proto
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// File compiles a proto file, given without its syntax line, which is proto3. It
// may import whatever files are linked into the test.
func File(t testing.TB, source string) protoreflect.FileDescriptor {
	t.Helper()
	const name = "test.proto"
	compiler := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{
			name: "syntax = \"proto3\";\n" + source,
		})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			file, err := protoregistry.GlobalFiles.FindFileByPath(path)
			return protocompile.SearchResult{Desc: file}, err
		}),
	}}
	files, err := compiler.Compile(context.Background(), name)
	if err != nil {
		t.Fatalf("compiling the proto of the test: %v", err)
	}
	return files[0]
}

// Services returns the services declared in source.
func Services(t testing.TB, source string) []protoreflect.ServiceDescriptor {
	t.Helper()
	services := File(t, source).Services()
	var list []protoreflect.ServiceDescriptor
	for i := range services.Len() {
		list = append(list, services.Get(i))
	}
	return list
}
