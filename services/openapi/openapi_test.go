// Package openapi tests the OpenAPI document of the services, which is generated
// from their protos. It is a module of its own so that no service depends on
// what reads the document.
package openapi

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

const document = "../../docs/openapi.yaml"

func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	if err := load(t).Validate(t.Context()); err != nil {
		t.Errorf("validating %s: %v", document, err)
	}
}

// operation is what a client has to know of one method in REST.
type operation struct{ route, request, response, failure string }

func TestDocumentHasEveryAnnotatedMethod(t *testing.T) {
	t.Parallel()
	want := map[string]operation{}
	for _, file := range protos(t) {
		for i := range file.Services().Len() {
			for j := range file.Services().Get(i).Methods().Len() {
				method := file.Services().Get(i).Methods().Get(j)
				if rule := rule(t, method); rule != nil {
					o := operation{
						route:    route(rule),
						response: schema(method.Output().FullName()),
						failure:  schema("google.rpc.Status"),
					}
					if rule.GetBody() == "*" {
						o.request = schema(method.Input().FullName())
					}
					want[fmt.Sprintf("%s_%s", method.Parent().Name(), method.Name())] = o
				}
			}
		}
	}
	got := map[string]operation{}
	for path, item := range load(t).Paths.Map() {
		for verb, o := range item.Operations() {
			documented := operation{
				route:    verb + " " + path,
				response: content(o.Responses.Status(200).Value.Content),
				failure:  content(o.Responses.Default().Value.Content),
			}
			if o.RequestBody != nil {
				documented.request = content(o.RequestBody.Value.Content)
			}
			got[o.OperationID] = documented
		}
	}
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("%s has\n%v\nwant\n%v\nIs `make generate` due?", document, got, want)
	}
}

func load(t *testing.T) *openapi3.T {
	t.Helper()
	loaded, err := openapi3.NewLoader().LoadFromFile(document)
	if err != nil {
		t.Fatalf("loading %s: %v", document, err)
	}
	return loaded
}

func schema(message protoreflect.FullName) string { return "#/components/schemas/" + string(message) }

// content is the schema of a body in JSON.
func content(c openapi3.Content) string {
	if c["application/json"] == nil {
		return ""
	}
	return c["application/json"].Schema.Ref
}

// rule is the HTTP annotation of a method; nil for none.
func rule(t *testing.T, method protoreflect.MethodDescriptor) *annotations.HttpRule {
	t.Helper()
	// The compiler leaves the annotation a dynamic message; reading it again does not.
	options := &descriptorpb.MethodOptions{}
	if content, err := proto.Marshal(method.Options()); err != nil {
		t.Fatal(err)
	} else if err := proto.Unmarshal(content, options); err != nil {
		t.Fatal(err)
	}
	rule, _ := proto.GetExtension(options, annotations.E_Http).(*annotations.HttpRule)
	return rule
}

// route is the HTTP method and path of a rule.
func route(rule *annotations.HttpRule) string {
	for verb, path := range map[string]string{
		"POST": rule.GetPost(), "PUT": rule.GetPut(), "PATCH": rule.GetPatch(),
		"GET": rule.GetGet(), "DELETE": rule.GetDelete(),
	} {
		if path != "" {
			return verb + " " + path
		}
	}
	return ""
}

// protos are the files of all services, each compiled alone as its module is.
func protos(t *testing.T) []protoreflect.FileDescriptor {
	t.Helper()
	paths, err := filepath.Glob("../*/api/*.proto")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	var files []protoreflect.FileDescriptor
	for _, path := range paths {
		api := filepath.Dir(path)
		compiler := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{filepath.Dir(api)}},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				file, err := protoregistry.GlobalFiles.FindFileByPath(path)
				return protocompile.SearchResult{Desc: file}, err
			}),
		}}
		compiled, err := compiler.Compile(t.Context(), "api/"+filepath.Base(path))
		if err != nil {
			t.Fatalf("compiling %s: %v", path, err)
		}
		files = append(files, compiled[0])
	}
	return files
}
