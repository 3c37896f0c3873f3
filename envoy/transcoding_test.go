package envoy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/envoy/prototest"
)

// shelves declares two services with a path each, and one without a path.
func shelves(t *testing.T, first, second string) Config {
	t.Helper()
	method := "rpc Get(Name) returns (Name) { option (google.api.http) = {get: %q}; }"
	return Config{REST: true, Backends: []Backend{{
		Name: "shelves", Address: "shelves.example", Port: 1,
		Services: prototest.Services(t, `package test; import "google/api/annotations.proto"; message Name { string name = 1; Name book = 2; }`+
			fmt.Sprintf("service First { "+method+" }", first)+
			fmt.Sprintf("service Second { "+method+" }", second)+
			"service Third { rpc Get(Name) returns (Name); }"),
	}}}.withDefaults()
}

// TestDescriptorSet checks that each file of the set comes after those that it imports, as Envoy
// reads the files in order.
func TestDescriptorSet(t *testing.T) {
	t.Parallel()
	var names []protoreflect.FullName
	services := restServices(shelves(t, "/v1/first", "/v1/second"))
	for _, service := range services {
		names = append(names, service.FullName())
	}
	if want := []protoreflect.FullName{"test.First", "test.Second"}; !slices.Equal(names, want) {
		t.Errorf("restServices() = %q, want %q", names, want)
	}
	set, read := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	if err := proto.Unmarshal(descriptorSet(services, nil), set); err != nil {
		t.Fatal(err)
	}
	for _, file := range set.File {
		for _, imported := range file.Dependency {
			if !read[imported] {
				t.Errorf("%s comes before %s, which it imports", file.GetName(), imported)
			}
		}
		if read[file.GetName()] {
			t.Errorf("%s is there twice", file.GetName())
		}
		read[file.GetName()] = true
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []protoreflect.FullName{"test.First", "google.api.http", "google.rpc.ErrorInfo"} {
		if _, err := files.FindDescriptorByName(name); err != nil {
			t.Errorf("the descriptor set has no %s: %v", name, err)
		}
	}
}

func TestNoRESTNoFilter(t *testing.T) {
	t.Parallel()
	config := shelves(t, "/v1/first", "/v1/second")
	config.Backends[0].Services = config.Backends[0].Services[2:]
	if filters := transcodingFilters(config); filters != nil {
		t.Errorf("without annotations there are the filters %v", filters)
	}
}

// TestRESTPaths covers paths that Envoy accepts, and paths with which it refuses to start.
func TestRESTPaths(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ path, want string }{
		{"/v1/second", ""},
		{"/v1/{name=shelves/*}", ""},
		{"/v1/{book.name=shelves/*/books/**}:archive", ""},
		{"/v1/*/{name}", ""},
		{"", "not a path"},
		{"/", "not a path"},
		{"v1/second", "not a path"},
		{"/v1/", "not a path"},
		{"/v1//second", "not a path"},
		{"/v1/{name", "not a path"},
		{"/v1/{name=**}/x", "not a path"},
		{"/v1/first", "GET /v1/first calls both test.First.Get and test.Second.Get"},
	} {
		err := shelves(t, "/v1/first", test.path).validateREST()
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("the path %q: %v, want %q", test.path, err, test.want)
		}
	}
	if err := shelves(t, "/v1/{name=a/*}", "/v1/a/{name}").validateREST(); err == nil || !strings.Contains(err.Error(), "GET /v1/a/*") {
		t.Errorf("one path with two spellings: %v", err)
	}
	twice := prototest.Services(t, `
		package test;
		import "google/api/annotations.proto";
		service S { rpc Get(M) returns (M) { option (google.api.http) = {get: "/v1/{name=things/*}" additional_bindings {get: "/v1/things/{name}"}}; } }
		message M { string name = 1; }`)
	if err := (Config{REST: true, Backends: []Backend{{Name: "s", Services: twice}}}).validateREST(); err == nil || !strings.Contains(err.Error(), "a path of test.S.Get twice") {
		t.Errorf("one path twice: %v", err)
	}
}
