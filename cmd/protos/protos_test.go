package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/services/catalog"
)

// repository writes files into a root that has the repository's buf.yaml and tools.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(source, ".cache", "bin", "buf")); err != nil {
		t.Fatalf("these tests need buf: %v; build it with: make generate", err)
	}
	write(t, filepath.Join(root, ".cache", "x"), "")
	if err := os.Symlink(filepath.Join(source, ".cache", "bin"), filepath.Join(root, ".cache", "bin")); err != nil {
		t.Fatal(err)
	}
	rules := "version: v2\nlint:\n  use: [STANDARD, COMMENTS]\n"
	write(t, filepath.Join(root, "buf.yaml"), rules)
	for name, content := range files {
		write(t, filepath.Join(root, name), content)
	}
	return root
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := writeFile(file, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

// TestImportsAreWhatTheyWere compiles the sources that are written, and compares each
// with the descriptor it is from.
func TestImportsAreWhatTheyWere(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"buf.yaml": "version: v2\nmodules: [{path: .cache/protos}]\n"})
	if err := writeImports(root); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(root, ".cache/bin/buf"), "build", "--as-file-descriptor-set", "--exclude-source-info", "-o", "-#format=binpb")
	command.Dir, command.Stderr = root, os.Stderr
	content, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		t.Fatal(err)
	}
	compiled := map[string]*descriptorpb.FileDescriptorProto{}
	for _, file := range set.GetFile() {
		compiled[file.GetName()] = file
	}
	for _, file := range importable() {
		want := protodesc.ToFileDescriptorProto(file)
		// The order of declarations is the printer's.
		if diff := cmp.Diff(want, compiled[file.Path()], protocmp.Transform(), protocmp.IgnoreEmptyMessages(), protocmp.IgnoreFields(&descriptorpb.FieldDescriptorProto{}, "json_name"),
			protocmp.SortRepeated(func(a, b *descriptorpb.DescriptorProto) bool { return a.GetName() < b.GetName() }),
			protocmp.SortRepeated(func(a, b *descriptorpb.EnumDescriptorProto) bool { return a.GetName() < b.GetName() }),
			protocmp.SortRepeated(func(a, b *descriptorpb.FieldDescriptorProto) bool { return a.GetNumber() < b.GetNumber() }),
		); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file.Path(), diff)
		}
	}
	for _, name := range []string{
		"google/api/annotations.proto", "google/api/client.proto", "google/api/field_behavior.proto", "google/api/httpbody.proto", "google/api/resource.proto",
		"google/api/visibility.proto", "google/type/date.proto", "google/type/datetime.proto", "google/type/money.proto", "google/type/postal_address.proto",
		"google/rpc/status.proto", "google/rpc/error_details.proto", "google/longrunning/operations.proto", "google/iam/v1/policy.proto",
		"google/cloud/location/locations.proto", "buf/validate/validate.proto", "protoc-gen-openapiv2/options/annotations.proto", "openapiv3/annotations.proto",
		"validate/validate.proto", "gogoproto/gogo.proto",
	} {
		if compiled[name] == nil {
			t.Errorf("%s cannot be imported", name)
		}
	}
}

// wild are services as teams really have them.
var wild = map[string]string{
	// Several files, packages and services, with all kinds of imports; a Go module.
	"services/shop/service.yaml": "",
	"services/shop/go.mod":       "module example.com/grpc-edge/services/shop\n",
	"services/shop/shop/v1/shop.proto": `syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/longrunning/operations.proto";
import "google/type/money.proto";
import "protoc-gen-openapiv2/options/annotations.proto";
import "shop/v1/item.proto";
option go_package = "github.com/acme/shop/gen;shoppb";
service Shop {
  rpc Get(GetRequest) returns (Item) { option (google.api.http) = {
    get: "/v1/{name=items/*}"
    additional_bindings {get: "/v1/by-id/{user_id}"}
  }; }
  rpc Build(GetRequest) returns (google.longrunning.Operation) {
    option (google.longrunning.operation_info) = {response_type: "Item" metadata_type: "Item"};
    option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_operation) = {summary: "x"};
  }
}
service Admin { rpc Drop(GetRequest) returns (GetRequest); }
message GetRequest {
  string name = 1 [(buf.validate.field).string.min_len = 1, (google.api.field_behavior) = REQUIRED];
  string user_id = 2;
  google.type.Money price = 3;
}`,
	"services/shop/shop/v1/item.proto":    "syntax = \"proto3\";\npackage shop.v1;\nmessage Item { optional string title = 1; Item parent = 2; }",
	"services/shop/stock/v2beta1/s.proto": "syntax = \"proto3\";\npackage shop.stock.v2beta1;\nimport \"shop/v1/item.proto\";\nservice Stock { rpc Count(shop.v1.Item) returns (stream shop.v1.Item); }",
	// Another language: no Go module; proto2, in a folder that buf.yaml names.
	"services/old/service.yaml": "image: x\n",
	"services/old/proto/old.proto": `syntax = "proto2";
package old;
import "google/api/annotations.proto";
import "common/types.proto";
service Old { rpc Get(Request) returns (common.Type) { option (google.api.http) = {post: "/old" body: "*"}; } }
message Request { required string id = 1; optional group Inner = 2 { required int32 n = 3; } extensions 100 to 200; }`,
	"services/old/proto/common/types.proto": "syntax = \"proto3\";\npackage common;\nmessage Type { string a = 1; }",
	// Editions; private, with another file at a path of another service.
	"services/new/service.yaml": "private: true\n",
	"services/new/go.mod":       "module example.com/grpc-edge/services/new\n",
	"services/new/new.proto": `edition = "2023";
package new;
import "google/api/annotations.proto";
import "common/types.proto";
option features.field_presence = IMPLICIT;
service New { rpc Get(Request) returns (Request) { option (google.api.http) = {get: "/new"}; } }
message Request { string id = 1 [features.field_presence = LEGACY_REQUIRED]; common.Other other = 2 [features.message_encoding = DELIMITED]; }`,
	"services/new/common/types.proto": "syntax = \"proto3\";\npackage common;\nmessage Other { string b = 1; }",
	// What many public protos import, in a Go module.
	"services/frequent/service.yaml": "",
	"services/frequent/go.mod":       "module example.com/grpc-edge/services/frequent\n",
	"services/frequent/f.proto": `syntax = "proto3";
package frequent;
import "gogoproto/gogo.proto";
import "validate/validate.proto";
service Frequent { rpc Get(Request) returns (Request); }
message Request {
  option (gogoproto.goproto_stringer) = false;
  string name = 1 [(validate.rules).string.min_len = 1, (gogoproto.customname) = "Title"];
}`,
	"buf.yaml": "version: v2\nmodules:\n  - path: services/old/proto\n",
}

// TestWildProtos generates for all of them, and reads the result as the stack does.
func TestWildProtos(t *testing.T) {
	t.Parallel()
	root := repository(t, wild)
	if err := run(t.Context(), root, "generate"); err != nil {
		t.Fatal(err)
	}
	services, problems, err := catalog.Read(root, nil, catalog.Spec{CPU: "1", Memory: "1Mi", Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if !strings.Contains(problem.Key, "old/service.yaml image") { // x is no image
			t.Errorf("%s %s", problem.Key, problem.Message)
		}
	}
	served := map[string][]string{}
	for _, s := range services {
		for _, method := range s.Methods() {
			served[s.Name] = append(served[s.Name], string(method.FullName()))
			if _, ok := catalog.Sample(method.Input()); !ok {
				t.Errorf("%s has no sample request", method.FullName())
			}
		}
		slices.Sort(served[s.Name])
	}
	want := map[string][]string{
		"shop": {"shop.stock.v2beta1.Stock.Count", "shop.v1.Admin.Drop", "shop.v1.Shop.Build", "shop.v1.Shop.Get"},
		"old":  {"old.Old.Get"}, "new": {"new.New.Get"}, "frequent": {"frequent.Frequent.Get"},
	}
	if diff := cmp.Diff(want, served); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
	for file, want := range map[string]string{
		"services/shop/shop/v1/shop.pb.go":      "package shopv1\n",
		"services/shop/shop/v1/shop_grpc.pb.go": "package shopv1\n",
		"services/shop/stock/v2beta1/s.pb.go":   `"example.com/grpc-edge/services/shop/shop/v1"`,
		"services/new/new.pb.go":                "package new\n",
		"services/frequent/f.pb.go":             `_ "github.com/gogo/protobuf/gogoproto"`,
		"docs/openapi.yaml":                     "/v1/by-id/{user_id}:",
	} {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s has no %q (%v):\n%.1000s", file, want, err, content)
		}
	}
	for _, file := range []string{"services/old/proto/old.pb.go", "services/old/old.pb.go"} {
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			t.Errorf("%s is there, and the service is no Go module", file)
		}
	}
	if document, err := os.ReadFile(filepath.Join(root, documentFile)); err != nil || strings.Contains(string(document), "/new") {
		t.Errorf("the document has a private service (%v):\n%s", err, document)
	}
	if err := run(t.Context(), root, "check"); err != nil {
		t.Errorf("just generated, and: %v", err)
	}
}

// TestOneProtoInThreeFolders has each folder serve one gRPC service of a proto, and call
// the others.
func TestOneProtoInThreeFolders(t *testing.T) {
	t.Parallel()
	const demo = `syntax = "proto3";
package demo;
import "google/api/annotations.proto";
service Cart { rpc Get(M) returns (M) { option (google.api.http) = {get: "/cart"}; } }
service Ads { rpc Get(M) returns (M) { option (google.api.http) = {get: "/ads"}; } }
service Mail { rpc Send(M) returns (M) { option (google.api.http) = {post: "/mail"}; } }
service Abroad { rpc Get(M) returns (M) { option (google.api.http) = {get: "/abroad"}; } }
message M { string id = 1; }`
	files := map[string]string{}
	for folder, service := range map[string]string{"cart": "Cart", "ads": "Ads", "mail": "Mail"} {
		files["services/"+folder+"/service.yaml"] = "serves: [demo." + service + "]\n"
		files["services/"+folder+"/go.mod"] = "module example.com/" + folder + "\n"
		files["services/"+folder+"/demo.proto"] = demo
	}
	root := repository(t, files)
	for _, command := range []string{"generate", "check"} {
		if err := run(t.Context(), root, command); err != nil {
			t.Fatal(err)
		}
	}
	services, problems, err := catalog.Read(root, nil, catalog.Spec{CPU: "1", Memory: "1Mi", Replicas: 1})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	served := map[string]int{}
	for _, s := range services {
		for _, method := range s.Methods() {
			served[s.Name+" "+string(method.FullName())]++
		}
	}
	if diff := cmp.Diff(map[string]int{"cart demo.Cart.Get": 1, "ads demo.Ads.Get": 1, "mail demo.Mail.Send": 1}, served); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
	document, err := os.ReadFile(filepath.Join(root, documentFile))
	for path, want := range map[string]bool{"/cart:": true, "/ads:": true, "/mail:": true, "/abroad:": false} {
		if strings.Contains(string(document), path) != want || err != nil {
			t.Errorf("the document has %s: %t, want %t (%v)", path, !want, want, err)
		}
	}
	client, err := os.ReadFile(filepath.Join(root, "services/cart/demo_grpc.pb.go"))
	if err != nil || !strings.Contains(string(client), "NewAdsClient") {
		t.Errorf("cart has no code to call the others (%v)", err)
	}
}

// TestCheckFindsWhatIsStale changes what is generated, and a proto.
func TestCheckFindsWhatIsStale(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{
		"services/a/service.yaml": "", "services/a/go.mod": "module example.com/a\n",
		"services/a/a.proto": "syntax = \"proto3\";\npackage a;\nservice S { rpc Get(M) returns (M); }\nmessage M {}",
	})
	if err := run(t.Context(), root, "generate"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "services/a/gone.pb.go"), "package a\n")
	write(t, filepath.Join(root, "services/a/a.proto"), "syntax = \"proto3\";\npackage a;\nservice S { rpc Put(M) returns (M); }\nmessage M {}")
	err := run(t.Context(), root, "check")
	for _, want := range []string{"services/a/gone.pb.go belongs to a proto that no longer exists", "services/a/a_grpc.pb.go is not", "services/a/descriptor.binpb is not", "make generate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check says %v, want %q", err, want)
		}
	}
	if err := run(t.Context(), root, "generate"); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), root, "check"); err != nil {
		t.Error(err)
	}
}

// TestProtosWithoutSpec checks that a folder with protos and without service.yaml is an error. It
// would otherwise be ignored silently.
func TestProtosWithoutSpec(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"services/a/service.yaml": "", "services/b/v1/b.proto": ""})
	for _, command := range []string{"generate", "check", "lint"} {
		if err := run(t.Context(), root, command); err == nil || !strings.Contains(err.Error(), "services/b has v1/b.proto") || !strings.Contains(err.Error(), "touch services/b/service.yaml") {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// TestCopiesOfImports checks that copies of protos which are provided are refused, although many
// repositories have them.
func TestCopiesOfImports(t *testing.T) {
	t.Parallel()
	for copied, original := range map[string]string{
		"third_party/google/api/annotations.proto": "google/api/annotations.proto", "google/api/http.proto": "google/api/http.proto",
		"vendor/x/buf/validate/validate.proto": "buf/validate/validate.proto", "third_party/google/protobuf/any.proto": "google/protobuf/any.proto",
	} {
		root := repository(t, map[string]string{
			"services/a/service.yaml": "", "services/a/" + copied: "syntax = \"proto3\";",
			"services/a/a.proto": "syntax = \"proto3\";\npackage a;\nservice S { rpc Get(M) returns (M); }\nmessage M {}",
		})
		want := "services/a/" + copied + " is a copy of " + original + ", which is provided: delete it, and import " + original
		if err := run(t.Context(), root, "generate"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, own := range []string{"google/api/acme.proto", "google/protobuf/any.proto", "annotations.proto"} {
		if original := provided(own); original != "" {
			t.Errorf("%s is taken for a copy of %s", own, original)
		}
	}
}

// TestErrorsNameTheFile has protos that do not compile, or break the rules.
func TestErrorsNameTheFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ proto, command, want string }{
		"syntax":     {"syntax = \"proto3\";\nmessage {", "generate", "a.proto:2"},
		"no import":  {"syntax = \"proto3\";\nimport \"acme/none.proto\";", "generate", "a.proto:2:1:imported file does not exist; docs/protos.md says"},
		"annotation": {"syntax = \"proto3\";\npackage a;\nmessage M {}", "lint", "a.proto"},
	} {
		root := repository(t, map[string]string{"services/a/service.yaml": "", "services/a/a.proto": test.proto})
		if err := run(t.Context(), root, test.command); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "services/a") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
