package e2e

import (
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// usersProto has paths with variables in two spellings, and of several segments.
const usersProto = `
package test;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service Users {
  rpc Get(User) returns (User) { option (google.api.http) = {get: "/v1/users/{user_id}"}; }
  rpc Set(User) returns (User) { option (google.api.http) = {post: "/v1/users/{user_id}" body: "*"}; }
  rpc File(User) returns (User) { option (google.api.http) = {get: "/v1/files/{name=**}"}; }
  rpc Fail(User) returns (User) { option (google.api.http) = {get: "/v1/fail/{name}"}; }
  rpc Slow(User) returns (User) { option (google.api.http) = {get: "/v1/slow"}; }
  rpc Probe(User) returns (User) { option (google.api.http) = {custom: {kind: "HEAD" path: "/v1/probe/{name}"}}; }
  rpc Store(Blob) returns (User) { option (google.api.http) = {post: "/v1/blobs/{name}" body: "data"}; }
  rpc Name(User) returns (User) { option (google.api.http) = {patch: "/v1/blobs/{name}" body: "*"}; }
  rpc Stored(User) returns (User) { option (google.api.http) = {custom: {kind: "HEAD" path: "/v1/blobs/{name}"}}; }
  rpc Live(User) returns (User) { option (google.api.http) = {get: "/v1/homes/{home_address.street_name}"}; }
  rpc Disable(User) returns (User) { option (google.api.http) = {post: "/v1/users/{name}:disable" body: "*"}; }
  rpc Search(User) returns (User) { option (google.api.http) = {get: "/v1/users/search"}; }
  rpc Rename(User) returns (User) { option (google.api.http) = {post: "/v1/blobs/{name}:rename" body: "*"}; }
  rpc Any(User) returns (User) { option (google.api.http) = {custom: {kind: "*" path: "/v1/any/{name}"}}; }
  rpc Other(User) returns (User) { option (google.api.http) = {put: "/v1/files/shared" body: "*"}; }
  rpc List(User) returns (stream User) { option (google.api.http) = {get: "/v1/list/{name}"}; }
}
message User { int64 user_id = 1; string name = 2; string title = 3; Address home_address = 4; }
message Address { string street_name = 1; }
message Blob { string name = 1; google.api.HttpBody data = 2; }`

// startUsers runs Envoy in front of a backend that answers with what it was asked. Fail
// fails with a detail that no proto declares, and List after its second message.
func startUsers(t *testing.T, change func(*envoy.Config)) *edge {
	t.Helper()
	services, port := prototest.Services(t, usersProto), freePort(t)
	listenAndServe(t, "127.0.0.1", port, func(s *grpc.Server) { healthpb.RegisterHealthServer(s, health.NewServer()) },
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			name, _ := grpc.MethodFromServerStream(stream)
			method := services[0].Methods().ByName(protoreflect.Name(path.Base(name)))
			user := dynamicpb.NewMessage(method.Input())
			if err := stream.RecvMsg(user); err != nil {
				return err
			}
			switch method.Name() {
			case "Fail":
				if user.Get(method.Input().Fields().ByName("name")).String() == "known" {
					known := &anypb.Any{TypeUrl: "type.googleapis.com/test.Known", Value: protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "known")}
					return status.FromProto(&statuspb.Status{Code: int32(codes.FailedPrecondition), Details: []*anypb.Any{known}}).Err()
				}
				return status.FromProto(&statuspb.Status{
					Code: int32(codes.FailedPrecondition), Message: `it "failed"`, Details: []*anypb.Any{{TypeUrl: "type.googleapis.com/test.Unknown"}},
				}).Err()
			case "Store":
				return stream.SendMsg(dynamicpb.NewMessage(method.Output()))
			case "Slow":
				<-stream.Context().Done()
				return stream.Context().Err()
			case "List":
				if err := errors.Join(stream.SendMsg(user), stream.SendMsg(user)); err != nil {
					return err
				}
				if user.Get(method.Input().Fields().ByName("name")).String() == "break" {
					if err := stream.SendMsg(unreadable()); err != nil {
						return err
					}
				}
				return status.Error(codes.DataLoss, "half-way")
			}
			return stream.SendMsg(user)
		}))
	known, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("known.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Known"), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("reason"), Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	config := envoy.Config{REST: true, Backends: []envoy.Backend{{
		Name: "users", Address: "localhost", Port: port, Services: services, Files: []protoreflect.FileDescriptor{known},
	}}}
	if change != nil {
		change(&config)
	}
	e := start(t, config)
	e.awaitPods(t, "users", 1)
	return e
}

// TestRESTInput sends requests that Envoy by itself handles differently from other servers of
// google.api.http. Each answer must contain want.
func TestRESTInput(t *testing.T) {
	t.Parallel()
	e := startUsers(t, nil)
	for _, test := range []struct {
		method, path, body, contentType string
		status                          int
		want                            string
	}{
		{"GET", "/v1/users/7?title=a+b%2Bc", "", "", 200, `"title":"a b+c"`},
		// Neither the query nor the body replaces what the path says.
		{"GET", "/v1/users/7?user_id=8", "", "", 400, "user_id"},
		{"GET", "/v1/users/7?title=x&userId=8", "", "", 400, "user_id"},
		{"GET", "/v1/homes/a?home_address.street_name=b", "", "", 400, "home_address.street_name"},
		{"GET", "/v1/homes/a?homeAddress.streetName=b", "", "", 400, "home_address.street_name"},
		{"GET", "/v1/homes/a?home_address.streetName=b", "", "", 400, "home_address.street_name"},
		{"GET", "/v1/homes/a?title=x&homeAddress.street_name=b", "", "", 400, "home_address.street_name"},
		{"GET", "/v1/homes/a?title=b", "", "", 200, `"streetName":"a"`},
		{"GET", "/v1/users/7?user%5Fid=8", "", "", 400, "user_id"},
		{"GET", "/v1/users/7?user_id", "", "", 400, "user_id"},
		{"POST", "/v1/users/7?userId=9", "{}", "application/json", 400, "user_id"},
		{"POST", "/v1/users/7", `{"user_id":8}`, "application/json", 400, "user_id"},
		{"POST", "/v1/users/7", `{"userId":"8"}`, "application/json", 200, `"userId":"7"`},
		{"GET", "/v1/users/7?title=user_id=8", "", "", 200, `"title":"user_id=8"`},
		// Bytes that are no UTF-8.
		{"GET", "/v1/users/7?title=%ff", "", "", 400, "percent-encoded UTF-8"},
		{"GET", "/v1/files/%C3%28", "", "", 400, "percent-encoded UTF-8"},
		{"GET", "/v1/files/%ED%A0%80", "", "", 400, "percent-encoded UTF-8"}, // half of a surrogate pair
		{"GET", "/v1/users/7?title=%zz", "", "", 400, "percent-encoded UTF-8"},
		{"GET", "/v1/files/50%", "", "", 400, "percent-encoded UTF-8"},
		{"GET", "/v1/files/%C3%A9%E2%82%AC%F0%9F%98%80", "", "", 200, "é€😀"},
		// A value in the path arrives as it was sent, or not at all.
		{"GET", "/v1/files/https://e.com/x", "", "", 200, `"name":"https://e.com/x"`},
		{"GET", "/v1/files/a//b", "", "", 200, `"name":"a//b"`},
		{"GET", `/v1/files/a\b`, "", "", 200, `"name":"a\\b"`},
		{"GET", "/v1/files/a/../b", "", "", 200, `"name":"a/../b"`},
		{"GET", "/v1/files/a+b%20c", "", "", 200, `"name":"a+b c"`},
		{"GET", "/v1/files/a%23b%3Ac%2523%3f", "", "", 200, `"name":"a#b:c%23?"`},
		{"GET", "/v1/files/a/", "", "", 400, "slash"},
		{"GET", "/v1/files/a%2Fb", "", "", 400, "%2F"},
		{"GET", "/v1/files/a%5cb", "", "", 400, "%5C"},
		// Types of bodies.
		{"POST", "/v1/users/7", "{}", "application/json; charset=utf-8", 200, `"userId":"7"`},
		{"POST", "/v1/users/7", "{}", "Application/vnd.api+JSON", 200, `"userId":"7"`},
		{"POST", "/v1/users/7", "{}", "text/plain", 415, "application/json"},
		{"POST", "/v1/users/7", "{}", "text/plain;application/json", 415, "application/json"},
		{"POST", "/v1/users/7", "{}", "application/x-www-form-urlencoded", 415, "application/json"},
		{"POST", "/v1/users/7", "{}", "multipart/form-data; boundary=x", 415, "application/json"},
		{"POST", "/v1/users/7", "{}", "", 415, "application/json"},
		// A path that takes a file by one method takes only JSON by another.
		{"PATCH", "/v1/blobs/x", `{"title":"t"}`, "application/json", 200, `"title":"t"`},
		{"PATCH", "/v1/blobs/x", "{}", "text/plain", 415, "application/json"},
		{"POST", "/v1/blobs/x", "{}", "text/plain", 200, ""},
		{"DELETE", "/v1/users/7", "", "", 405, "GET, HEAD, POST"},
		{"GET", "/v1/probe/x", "", "", 405, "HEAD"},
		{"GET", "/v1/blobs/x", "", "", 405, "HEAD, PATCH, POST"},
		{"PUT", "/v1/users/7", "{}", "application/json", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/v1/users/7", "", "", 405, "GET, HEAD, POST"},
		// A custom verb is a path of its own, and so is one that a wider template has, too.
		{"POST", "/v1/users/7:disable", "{}", "application/json", 200, `"name":"7"`},
		{"POST", "/v1/users/7:disable?user_id=8", "{}", "application/json", 200, `"userId":"8"`},
		{"GET", "/v1/users/7:disable", "", "", 405, "POST"},
		{"DELETE", "/v1/users/7:disable", "", "", 405, "POST"},
		{"GET", "/v1/users/7:other", "", "", 400, ""},
		{"GET", "/v1/users/search?user_id=8", "", "", 200, `"userId":"8"`},
		{"POST", "/v1/users/search", "{}", "application/json", 400, ""}, // of users/{user_id}, which is a number
		{"GET", "/v1/any/x:disable", "", "", 200, `"name":"x"`},
		{"GET", "/v1/any/x:disable?name=y", "", "", 400, "name"},
		{"POST", "/v1/blobs/x:rename", `{"title":"t"}`, "application/json", 200, `"name":"x"`},
		{"POST", "/v1/blobs/x:rename", `{}`, "text/plain", 415, "application/json"},
		{"POST", "/v1/blobs/x:other", `{}`, "text/plain", 200, ""},
		{"PUT", "/v1/files/shared", "{}", "application/json", 200, ""},
		{"GET", "/v1/files/shared", "", "", 200, `"name":"shared"`},
		{"POST", "/v1/files/shared", "{}", "application/json", 405, "GET, HEAD, PUT"},
		{"PUT", "/v1/files/other", "{}", "application/json", 405, "GET, HEAD"},
		// A detail of a type that only another file of the service declares.
		{"GET", "/v1/fail/known", "", "", 400, `"reason":"known"`},
		{"POST", "/v1/nope", "{}", "application/json", 404, "/v1/nope"},
		// A detail of an unknown type costs neither code nor message.
		{"GET", "/v1/fail/x", "", "", 400, `{"code":9,"message":"it \u0022failed\u0022","details":[]}`},
	} {
		for _, h2 := range []bool{true, false} {
			var header []string
			if test.contentType != "" {
				header = []string{"Content-Type", test.contentType}
			}
			var body io.Reader
			if test.body != "" && test.contentType != "" {
				body = strings.NewReader(test.body)
			}
			response, text := e.rest(t, h2, test.method, test.path, body, header...)
			if response.StatusCode != test.status || !strings.Contains(text, test.want) || response.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s of %q = %s %s %s, want %d and %q", test.method, test.path, test.contentType, response.Status,
					response.Header.Get("Content-Type"), text, test.status, test.want)
			}
			if allow := response.Header.Get("Allow"); test.status == http.StatusMethodNotAllowed && allow != test.want {
				t.Errorf("%s %s has Allow %q, want %q", test.method, test.path, allow, test.want)
			}
		}
	}
	response, text := e.rest(t, true, "POST", "/v1/users/7", strings.NewReader("{}"), "Content-Encoding", "gzip", "User-Agent", "compresses")
	if response.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a compressed body = %s %s, want 415", response.Status, text)
	}
	if route := e.logged(t, `"user_agent":"compresses"`)["route"]; route != "refused: compressed bodies are not supported; send it uncompressed" {
		t.Errorf("the access log has the route %q for a refused request, want the reason", route)
	}
}

// TestAlmostGRPC checks that a content type that only begins like one of gRPC is refused. Envoy's
// transcoder would take it for REST, without the refusals and the limit of REST.
func TestAlmostGRPC(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*edge{"with REST": startUsers(t, nil), "without": start(t, libraryConfig(t))} {
		for _, contentType := range []string{"application/grpcx", "application/grpc-web;charset=utf-8", "application/grpc-web+json", "application/grpc, text/plain"} {
			for _, h2 := range []bool{true, false} {
				response, body := e.rest(t, h2, "GET", "/v1/users/7?userId=8", nil, "Content-Type", contentType)
				if response.StatusCode != http.StatusUnsupportedMediaType || !strings.Contains(body, "the content-type must be") {
					t.Errorf("%s, %s = %s %s, want 415", name, contentType, response.Status, body)
				}
			}
		}
	}
}

// TestHEAD checks that HEAD is answered like GET, or by its own method, but without a body. Go's
// client reports an error if there is one.
func TestHEAD(t *testing.T) {
	t.Parallel()
	e := startUsers(t, nil)
	for path, want := range map[string]int{"/v1/users/7": 200, "/v1/list/x": 200, "/v1/fail/x": 400, "/v1/users/x": 400, "/v1/nope": 404, "/v1/probe/x": 200, "/v1/blobs/x": 200} {
		for _, h2 := range []bool{true, false} {
			if response, body := e.rest(t, h2, "HEAD", path, nil); response.StatusCode != want || body != "" {
				t.Errorf("HEAD %s = %s %q, want %d and nothing", path, response.Status, body, want)
			}
		}
	}
}

// TestRESTStreamFails breaks a stream half-way. HTTP/1.1 has the trailers, too. A page can't read
// them: only the end of the stream shows it that a pod on the chassis failed.
func TestRESTStreamFails(t *testing.T) {
	t.Parallel()
	e := startUsers(t, nil)
	for _, h2 := range []bool{true, false} {
		response, body := e.rest(t, h2, "GET", "/v1/list/x", nil)
		if code, message := response.Trailer.Get("Grpc-Status"), response.Trailer.Get("Grpc-Message"); code != "15" || message != "half-way" {
			t.Errorf("the stream %s has the trailers %v, want grpc-status 15", body, response.Trailer)
		}
		e.expectBroken(t, h2, "/v1/list/break")
	}
}

// unreadable returns a message that no type can parse. With it a pod on the chassis breaks off an
// answer (unreadable in services/chassis).
func unreadable() *emptypb.Empty {
	message := &emptypb.Empty{}
	message.ProtoReflect().SetUnknown(append(protowire.AppendTag(nil, 19000, protowire.BytesType), 127))
	return message
}

// expectBroken requests a path whose pod breaks off its answer, and expects that the client
// sees it.
func (e *edge) expectBroken(t *testing.T, h2 bool, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(callContext(t), http.MethodGet, "https://"+e.address()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := e.browser(t, h2).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("an answer that its pod breaks off is read to its end as %q", text)
	}
	_ = response.Body.Close()
}

// TestRESTDeadline gives a call less time than it takes, in every unit.
func TestRESTDeadline(t *testing.T) {
	t.Parallel()
	e := startUsers(t, nil)
	for _, timeout := range []string{"30000000n", "30000u", "30m", "1S"} {
		began := time.Now()
		response, body := e.rest(t, true, "GET", "/v1/slow", nil, "Grpc-Timeout", timeout)
		if response.StatusCode != http.StatusGatewayTimeout || !strings.Contains(body, `"code":4`) {
			t.Errorf("with grpc-timeout %s, after %v: %s %s, want 504 and code 4", timeout, time.Since(began), response.Status, body)
		}
	}
}

// TestUnknownQueryIsIgnored checks that unknown parameters are ignored where so configured.
func TestUnknownQueryIsIgnored(t *testing.T) {
	t.Parallel()
	e := startUsers(t, func(c *envoy.Config) { c.IgnoreUnknownQuery = true })
	response, body := e.rest(t, true, "GET", "/v1/users/7?utm_source=x&title=y", nil)
	if response.StatusCode != http.StatusOK || !strings.Contains(body, `"title":"y"`) {
		t.Errorf("an unknown parameter = %s %s, want 200", response.Status, body)
	}
	if response, body := e.rest(t, true, "GET", "/v1/users/7?user_id=8", nil); response.StatusCode != http.StatusBadRequest {
		t.Errorf("a parameter that the path has = %s %s, want 400", response.Status, body)
	}
}

// manyProto has more methods below one prefix than are compared one by one, a name that is too long for
// Envoy's default limit of regular expressions, and uploads.
const manyProto = `
package com.example.platform.internal.identity.accessmanagement.v1beta1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service ServiceAccountCredentialsAdministration {
  rpc A(Request) returns (Request) { option (google.api.http) = {get: "/v1/{name=projects/*}"}; }
  rpc B(Request) returns (Request) { option (google.api.http) = {get: "/v1/{parent=projects/*}/keys"}; }
  rpc C(Request) returns (Request) { option (google.api.http) = {get: "/v1/{name=projects/*/keys/*}"}; }
  rpc D(Request) returns (Request) { option (google.api.http) = {delete: "/v1/{name=projects/*/keys/*}"}; }
  rpc E(Request) returns (Request) { option (google.api.http) = {post: "/v1/{name=projects/*/keys/*}:rotate" body: "*"}; }
  rpc F(Request) returns (Request) { option (google.api.http) = {get: "/v1/{name=projects/*/accounts/*}"}; }
  rpc G(Request) returns (Request) { option (google.api.http) = {get: "/v1/{parent=projects/*}/accounts"}; }
  rpc H(Request) returns (Request) { option (google.api.http) = {get: "/v1/{name=projects/*/places/*}"}; }
  rpc I(Request) returns (Request) { option (google.api.http) = {get: "/v1/{name=projects/*/places/*/keys/**}"}; }
  rpc J(Blob) returns (Request) { option (google.api.http) = {post: "/v1/{name=projects/*/places/*/repositories/*/files/*}:upload" body: "data"}; }
  rpc K(Blob) returns (Request) { option (google.api.http) = {post: "/v1/{name=projects/*/places/*/datasets/*}:import" body: "data"}; }
}
message Request { string name = 1; string parent = 2; string page = 3; }
message Blob { string name = 1; google.api.HttpBody data = 2; }`

// TestManyPaths calls methods of manyProto, whose answers are their requests.
func TestManyPaths(t *testing.T) {
	t.Parallel()
	services, port := prototest.Services(t, manyProto), freePort(t)
	listenAndServe(t, "127.0.0.1", port, func(s *grpc.Server) { healthpb.RegisterHealthServer(s, health.NewServer()) },
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			request, reply := &emptypb.Empty{}, &emptypb.Empty{}
			if err := stream.RecvMsg(request); err != nil {
				return err
			}
			if name, _ := grpc.MethodFromServerStream(stream); !slices.Contains([]string{"J", "K"}, path.Base(name)) { // of uploads
				reply = request
			}
			return stream.SendMsg(reply)
		}))
	e := start(t, envoy.Config{REST: true, Backends: []envoy.Backend{{Name: "many", Address: "localhost", Port: port, Services: services}}})
	e.awaitPods(t, "many", 1)
	for _, test := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/v1/projects/p", 200, `"name":"projects/p"`},
		{"GET", "/v1/projects/p?page=2", 200, `"page":"2"`},
		{"GET", "/v1/projects/p?name=q", 400, "name"},
		{"GET", "/v1/projects/p/keys?name=q", 200, `"parent":"projects/p"`},
		{"HEAD", "/v1/projects/p/keys/k", 200, ""},
		{"DELETE", "/v1/projects/p/keys/k", 200, `"name":"projects/p/keys/k"`},
		{"DELETE", "/v1/projects/p", 405, "GET, HEAD"},
		{"PUT", "/v1/projects/p/keys/k", 405, "DELETE, GET, HEAD"},
		{"GET", "/v1/projects/p/keys/k:rotate", 405, "POST"},
		{"GET", "/v1/projects/p/places/l/keys/a/b", 200, `places/l/keys/a/b`},
		{"GET", "/v1/projects/p/nothing/x", 404, ""},
		{"GET", "/v1/projects/p/nothing/x?name=q", 404, ""},
		{"GET", "/v1/projects/p/places/l/datasets/d:import", 405, "POST"},
	} {
		response, text := e.rest(t, true, test.method, test.path, nil)
		if response.StatusCode != test.status || !strings.Contains(text, test.want) {
			t.Errorf("%s %s = %s %s, want %d and %q", test.method, test.path, response.Status, text, test.status, test.want)
		}
		if allow := response.Header.Get("Allow"); test.status == http.StatusMethodNotAllowed && allow != test.want {
			t.Errorf("%s %s has Allow %q, want %q", test.method, test.path, allow, test.want)
		}
	}
	for _, path := range []string{"/v1/projects/p/places/l/datasets/d:import", "/v1/projects/p/places/l/repositories/r/files/f:upload"} {
		if response, text := e.rest(t, true, "POST", path, strings.NewReader("data"), "Content-Type", "text/csv"); response.StatusCode != http.StatusOK {
			t.Errorf("an upload to %s = %s %s, want 200", path, response.Status, text)
		}
	}
}

// TestPathsThatRefuseNothing has only a path of all methods of HTTP, without variables.
func TestPathsThatRefuseNothing(t *testing.T) {
	t.Parallel()
	services, port := prototest.Services(t, `
		package test;
		import "google/api/annotations.proto";
		import "google/protobuf/empty.proto";
		service Any { rpc Any(google.protobuf.Empty) returns (google.protobuf.Empty) { option (google.api.http) = {custom: {kind: "*" path: "/v1/any"}}; } }`), freePort(t)
	listenAndServe(t, "127.0.0.1", port, func(s *grpc.Server) { healthpb.RegisterHealthServer(s, health.NewServer()) },
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			return errors.Join(stream.RecvMsg(&emptypb.Empty{}), stream.SendMsg(&emptypb.Empty{}))
		}))
	e := start(t, envoy.Config{REST: true, Backends: []envoy.Backend{{Name: "any", Address: "localhost", Port: port, Services: services}}})
	e.awaitPods(t, "any", 1)
	if response, text := e.rest(t, true, "DELETE", "/v1/any", nil); response.StatusCode != http.StatusOK {
		t.Errorf("DELETE of a path of all methods = %s %s, want 200", response.Status, text)
	}
}
