package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/openapi"
	"example.com/grpc-edge/envoy/prototest"
)

// shopProto has an annotation of each form, and messages with fields of each kind.
const shopProto = `
package shop.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
// Shop has everything.
service Shop {
  // Get returns an item.
  rpc Get(Item) returns (Item) { option (google.api.http) = {
    get: "/v1/{name=shelves/*/items/*}"
    additional_bindings {get: "/v1/items/{item_id}"}
    additional_bindings {get: "/v1/nested/{child.name}"}
    additional_bindings {get: "/v1/all/{name=**}"}
    additional_bindings {custom: {kind: "*" path: "/v1/anyhow/{name}"}}
    additional_bindings {custom: {kind: "OPTIONS" path: "/v1/options/{name}"}}
    additional_bindings {get: "/v1/*/of/{name}"}
    additional_bindings {get: "/v1/kinds/{flag}/{colour}/{ratio}/{count}"}
  }; }
  rpc Put(Item) returns (Item) { option (google.api.http) = {
    put: "/v1/items/{name}" body: "*"
    additional_bindings {patch: "/v1/{name=shelves/*/items/*}" body: "child"}
    additional_bindings {post: "/v1/children" body: "children"}
    additional_bindings {post: "/v1/title" body: "title"}
    additional_bindings {post: "/v1/tags" body: "tags"}
    additional_bindings {post: "/v1/{name=shelves/*/items/*}:archive" body: "*"}
    additional_bindings {delete: "/v1/items/{name}"}
  }; }
  rpc List(Item) returns (stream Item) { option (google.api.http) = {get: "/v1/items"}; }
  rpc Upload(stream Item) returns (stream Item) { option (google.api.http) = {post: "/v1/uploads" body: "*"}; }
  rpc File(google.api.HttpBody) returns (google.api.HttpBody) { option (google.api.http) = {post: "/v1/file" body: "*"}; }
  rpc Paint(Cover) returns (Cover) { option (google.api.http) = {post: "/v1/covers/{name}" body: "file" response_body: "file"}; }
  rpc Nothing(google.protobuf.Empty) returns (google.protobuf.Empty) { option (google.api.http) = {get: "/v1/nothing"}; }
  rpc Word(google.protobuf.StringValue) returns (google.protobuf.StringValue) { option (google.api.http) = {post: "/v1/word" body: "*"}; }
  rpc Hidden(Item) returns (Item);
}
message Cover { string name = 1; google.api.HttpBody file = 2; }
// Item is anything.
message Item {
  // name is a text.
  string name = 1;
  int64 item_id = 2; uint64 big = 3; int32 small = 4; uint32 count = 5; bool flag = 6; double ratio = 7; float part = 8; bytes content = 9;
  Colour colour = 10; string title = 11; optional string note = 12; repeated string tags = 13; repeated Colour colours = 14;
  Child child = 15; repeated Child children = 16; map<string, int64> stock = 17; map<string, Child> named = 18;
  oneof key { string code = 19; int64 number = 20; }
  google.protobuf.Timestamp time = 21; google.protobuf.Duration age = 22; google.protobuf.FieldMask mask = 23;
  google.protobuf.Struct extra = 24; google.protobuf.Value value = 25; google.protobuf.ListValue values = 26;
  google.protobuf.StringValue maybe = 27; google.protobuf.Int64Value maybe_big = 28; google.protobuf.Any any = 29; google.protobuf.Empty nothing = 30;
  Item self = 31;
}
message Child { string name = 1; int64 size = 2; Child next = 3; }
enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }`

// mirror answers with the request, or with two copies of it if the method streams replies.
func mirror(service protoreflect.ServiceDescriptor) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		name, _ := grpc.MethodFromServerStream(stream)
		method := service.Methods().ByName(protoreflect.Name(path.Base(name)))
		for {
			message := dynamicpb.NewMessage(method.Input())
			if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			for range map[bool]int{false: 1, true: 2}[method.IsStreamingServer()] {
				if err := stream.SendMsg(proto.Clone(message)); err != nil {
					return err
				}
			}
			if !method.IsStreamingClient() {
				return nil
			}
		}
	}
}

// TestDocumentAgreesWithTheEdge requests each documented path: what the document
// allows, Envoy answers with 200 and in the documented form.
func TestDocumentAgreesWithTheEdge(t *testing.T) {
	t.Parallel()
	file := prototest.File(t, shopProto)
	document, err := openapi.Document(t.Context(), "shop", "", envoy.Services(file))
	if err != nil {
		t.Fatal(err)
	}
	e := startShop(t, file)
	const full = `{"itemId":"-9223372036854775808","big":"18446744073709551615","small":-1,"count":4294967295,"flag":true,"ratio":0.5,"part":0.25,
		"content":"AP8=","colour":"COLOUR_RED","title":"t","note":"n","tags":["a","b"],"colours":["COLOUR_RED"],"child":{"name":"c","size":"1","next":{}},
		"children":[{"size":"2"}],"stock":{"x":"1"},"named":{"y":{"size":"3"}},"code":"k","time":"2026-01-02T03:04:05Z","age":"1.500s","mask":"title,itemId",
		"extra":{"a":[1,null,"x"]},"value":1.5,"values":[true],"maybe":"m","maybeBig":"7","any":{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"r"},"nothing":{},"self":{"title":"inner"}}`
	covered := map[string]bool{}
	for _, test := range []struct{ verb, target, contentType, body, want string }{
		{"GET", "/v1/shelves/a/items/b", "", "", `"name":"shelves/a/items/b"`},
		{"GET", "/v1/items/7", "", "", `"itemId":"7"`},
		{"GET", "/v1/nested/x", "", "", `"name":"x"`},
		{"GET", "/v1/all/x", "", "", `"name":"x"`},
		{"GET", "/v1/shelf/of/x", "", "", `"name":"x"`},
		{"GET", "/v1/kinds/true/COLOUR_RED/0.5/7", "", "", `"colour":"COLOUR_RED"`},
		{"GET", "/v1/anyhow/x?title=a", "", "", `"title":"a"`},
		{"POST", "/v1/anyhow/x", "application/json", "", `"name":"x"`},
		{"POST", "/v1/anyhow/x", "application/json", "{}", `"name":"x"`},
		{"PUT", "/v1/anyhow/x", "", "", `"name":"x"`},
		{"PATCH", "/v1/anyhow/x", "", "", `"name":"x"`},
		{"DELETE", "/v1/anyhow/x", "", "", `"name":"x"`},
		{"OPTIONS", "/v1/options/x", "", "", `"name":"x"`},
		{"PUT", "/v1/items/x", "application/json", full, `"big":"18446744073709551615"`},
		{"DELETE", "/v1/items/x?child.name=y&child.size=2", "", "", `"size":"2"`},
		{"PATCH", "/v1/shelves/a/items/b?title=t", "application/json", `{"name":"c","size":"5"}`, `"size":"5"`},
		{"POST", "/v1/children", "application/json", `[{"name":"a"},{"name":"b"}]`, `"name":"b"`},
		{"POST", "/v1/title", "application/json", `"the title"`, `"title":"the title"`},
		{"POST", "/v1/tags", "application/json", `["a","b"]`, `"tags":["a","b"]`},
		{"POST", "/v1/shelves/a/items/b:archive", "application/json", `{"title":"t"}`, `"name":"shelves/a/items/b"`},
		{"GET", "/v1/items?title=t&tags=a&tags=b&colour=COLOUR_RED&big=5&flag=true&ratio=0.5&content=AP8%3D&code=x", "", "", `"tags":["a","b"]`},
		{"GET", "/v1/items?time=2026-01-02T03:04:05Z&age=1.5s&mask=title&maybe=m&maybeBig=7", "", "", `"time":"2026-01-02T03:04:05Z"`},
		{"POST", "/v1/uploads", "application/json", `[{"title":"a"},{"title":"b"}]`, `"title":"b"`},
		{"POST", "/v1/file", "text/plain", "as it is", "as it is"},
		{"POST", "/v1/covers/x", "image/png", "as it is", "as it is"},
		{"GET", "/v1/nothing", "", "", "{}"},
		{"POST", "/v1/word", "application/json", `"hello"`, `"hello"`},
	} {
		operation, err := e.documented(t, document, test.verb, test.target, test.contentType, test.body, test.want)
		if err != nil {
			t.Errorf("%s %s: %v", test.verb, test.target, err)
		}
		covered[operation] = true
	}
	for _, item := range document.Paths.Map() {
		for _, operation := range item.Operations() {
			if !covered[operation.OperationID] {
				t.Errorf("%s is documented and not tested", operation.OperationID)
			}
		}
	}
}

func startShop(t *testing.T, file protoreflect.FileDescriptor) *edge {
	t.Helper()
	server := grpc.NewServer(grpc.UnknownServiceHandler(mirror(file.Services().Get(0))))
	healthpb.RegisterHealthServer(server, health.NewServer())
	port := freePort(t)
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return start(t, envoy.Config{REST: true, Backends: []envoy.Backend{
		{Name: "shop", Address: "localhost", Port: port, Services: envoy.Services(file)},
	}})
}

// documented makes a request. It returns the documented operation that the request is for, and
// what differs from the document in the request or reply.
func (e *edge) documented(t *testing.T, document *openapi3.T, verb, target, contentType, body, want string) (string, error) {
	t.Helper()
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(callContext(t), verb, "https://"+e.address()+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	route, variables, err := router.FindRoute(request)
	if err != nil {
		return "", fmt.Errorf("finding it in the document: %w", err)
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: variables, Route: route}
	if contentType == "" || contentType == "application/json" { // others are bodies of no form
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			return route.Operation.OperationID, fmt.Errorf("by the document: %w", err)
		}
	}
	request.Body = io.NopCloser(strings.NewReader(body))
	response, err := e.browser(t, true).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || !strings.Contains(string(content), want) {
		return route.Operation.OperationID, fmt.Errorf("Envoy answers %s %s, want 200 with %s", response.Status, content, want)
	}
	if contentType != "" && contentType != "application/json" {
		return route.Operation.OperationID, nil
	}
	return route.Operation.OperationID, openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: response.StatusCode, Header: response.Header,
		Body: io.NopCloser(bytes.NewReader(content)),
	})
}
