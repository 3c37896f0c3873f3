package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// libraryProto has a method of every kind that REST can reach, and one that it
// cannot.
const libraryProto = `
package test;
import "google/api/annotations.proto";
service Library {
  rpc Get(Book) returns (Book) { option (google.api.http) = {get: "/v1/{name=shelves/*/books/*}"}; }
  rpc Create(CreateRequest) returns (Book) { option (google.api.http) = {post: "/v1/{parent=shelves/*}/books" body: "book"}; }
  rpc Update(Book) returns (Book) { option (google.api.http) = {patch: "/v1/{name=shelves/*/books/*}" body: "*"}; }
  rpc List(Book) returns (stream Book) { option (google.api.http) = {get: "/v1/{name=shelves/*}/books"}; }
  rpc Hidden(Book) returns (Book);
}
message CreateRequest { string parent = 1; Book book = 2; }
message Book { string name = 1; bytes cover = 2; int32 page_count = 3; string title = 4; int64 size = 5; }`

// library answers with what it was asked. A book whose name ends in a number is
// an error with that code; one of 3MiB has a title that long.
type library struct {
	service protoreflect.ServiceDescriptor
}

func (l library) handle(_ any, stream grpc.ServerStream) error {
	name, _ := grpc.MethodFromServerStream(stream)
	method := l.service.Methods().ByName(protoreflect.Name(path.Base(name)))
	if method == nil {
		return status.Errorf(codes.Unimplemented, "the library has no method %s", name)
	}
	book := dynamicpb.NewMessage(method.Input())
	if err := stream.RecvMsg(book); err != nil {
		return err
	}
	fields := method.Input().Fields()
	if inner := fields.ByName("book"); inner != nil {
		parent := book.Get(fields.ByName("parent")).String()
		book = book.Mutable(inner).Message().Interface().(*dynamicpb.Message)
		book.Set(inner.Message().Fields().ByName("name"), protoreflect.ValueOfString(parent+"/books/new"))
		return stream.SendMsg(book)
	}
	asked := book.Get(fields.ByName("name")).String()
	if number, err := strconv.Atoi(path.Base(asked)); err == nil && method.Name() == "Get" {
		failure, err := status.New(codes.Code(number), "no: "+asked).WithDetails(&errdetails.ErrorInfo{Reason: "TEST", Domain: "library"})
		if err != nil {
			return err
		}
		return failure.Err()
	}
	if size, found := strings.CutSuffix(path.Base(asked), "MiB"); found {
		size, _ := strconv.Atoi(size)
		book.Set(fields.ByName("title"), protoreflect.ValueOfString(strings.Repeat("a", size<<20)))
	}
	for range map[bool]int{false: 1, true: 2}[method.IsStreamingServer()] {
		if err := stream.SendMsg(book); err != nil {
			return err
		}
	}
	return nil
}

// startLibrary runs Envoy in front of it, with REST.
func startLibrary(t *testing.T, origins ...string) (*edge, protoreflect.ServiceDescriptor) {
	t.Helper()
	config := libraryConfig(t)
	config.REST, config.Origins = true, origins
	return start(t, config), config.Backends[0].Services[0]
}

func libraryConfig(t *testing.T) envoy.Config {
	t.Helper()
	services := prototest.Services(t, libraryProto)
	server := grpc.NewServer(grpc.UnknownServiceHandler(library{services[0]}.handle))
	healthpb.RegisterHealthServer(server, health.NewServer())
	port := freePort(t)
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return envoy.Config{Backends: []envoy.Backend{{Name: "library", Address: "localhost", Port: port, Services: services}}}
}

func TestREST(t *testing.T) {
	t.Parallel()
	e, _ := startLibrary(t)
	book := func(name string, pages float64, title, cover string) map[string]any {
		// An int64 is a string in the JSON of protobuf.
		return map[string]any{"name": name, "pageCount": pages, "title": title, "cover": cover, "size": "0"}
	}
	for _, test := range []struct {
		method, path, body string
		want               any
	}{
		{"GET", "/v1/shelves/a/books/b", "", book("shelves/a/books/b", 0, "", "")},
		{"GET", "/v1/shelves/a/books/b?pageCount=7&title=x%20y", "", book("shelves/a/books/b", 7, "x y", "")},
		{"GET", "/v1/shelves/a/books/b?page_count=7", "", book("shelves/a/books/b", 7, "", "")},
		{"POST", "/v1/shelves/a/books", `{"title": "crème brûlée", "cover": "AP8="}`, book("shelves/a/books/new", 0, "crème brûlée", "AP8=")},
		{"PATCH", "/v1/shelves/a/books/b", `{"pageCount": 7}`, book("shelves/a/books/b", 7, "", "")},
		{"GET", "/v1/shelves/a/books", "", []any{book("shelves/a", 0, "", ""), book("shelves/a", 0, "", "")}},
	} {
		for _, h2 := range []bool{true, false} {
			response, body := e.rest(t, h2, test.method, test.path, strings.NewReader(test.body))
			var got any
			if err := json.Unmarshal([]byte(body), &got); err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("%s %s = %s %s, %v", test.method, test.path, response.Status, body, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", test.method, test.path, diff)
			}
			if got := response.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("%s %s has content-type %s", test.method, test.path, got)
			}
		}
	}
	// They count as any other call.
	if err := e.expectMetrics(`envoy_cluster_grpc{envoy_cluster_name="library",envoy_grpc_bridge_service="test.Library",` +
		`envoy_grpc_bridge_method="Create",envoy_grpc_status="0"} 2`); err != nil {
		t.Error(err)
	}
}

// TestRESTErrors has one form for all: a google.rpc.Status in JSON.
func TestRESTErrors(t *testing.T) {
	t.Parallel()
	e, _ := startLibrary(t)
	for _, test := range []struct {
		method, path, body string
		status             int
		code               codes.Code
		message            string // a part of it
	}{
		// By the backend, with details.
		{"GET", "/v1/shelves/a/books/3", "", 400, codes.InvalidArgument, "no: shelves/a/books/3"},
		{"GET", "/v1/shelves/a/books/5", "", 404, codes.NotFound, "no: "},
		{"GET", "/v1/shelves/a/books/7", "", 403, codes.PermissionDenied, "no: "},
		{"GET", "/v1/shelves/a/books/8", "", 429, codes.ResourceExhausted, "no: "},
		{"GET", "/v1/shelves/a/books/14", "", 503, codes.Unavailable, "no: "},
		// By Envoy.
		{"POST", "/v1/shelves/a/books", `{"title":`, 400, codes.InvalidArgument, "nexpected end"},
		{"POST", "/v1/shelves/a/books", `{"pageCount": "x"}`, 400, codes.InvalidArgument, "page"},
		{"PATCH", "/v1/shelves/a/books/b", `{"name": "shelves/a/books/c"}`, 400, codes.InvalidArgument, "name"},
		{"GET", "/v1/shelves/a/books/b?nope=1", "", 400, codes.InvalidArgument, "nope"},
		{"GET", "/v1/shelves/a/books/b?pageCount=x", "", 400, codes.InvalidArgument, "x"},
		{"DELETE", "/v1/shelves/a/books/b", "", 405, codes.Unimplemented, "GET, HEAD, PATCH"},
		{"GET", "/v2/nope", "", 404, codes.NotFound, "/v2/nope"},
		{"GET", "/", "", 404, codes.NotFound, "/"},
		{"POST", "/test.Library/Hidden", "{}", 404, codes.NotFound, "/test.Library/Hidden"},
		{"POST", "/test.Library/Get", "{}", 404, codes.NotFound, "/test.Library/Get"},
		{"GET", "/v1%2fshelves", "", 400, codes.InvalidArgument, "%2F"},
	} {
		response, body := e.rest(t, true, test.method, test.path, strings.NewReader(test.body))
		var got struct {
			Code    codes.Code
			Message string
			Details []map[string]any
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Errorf("%s %s = %s %q: %v", test.method, test.path, response.Status, body, err)
			continue
		}
		if response.StatusCode != test.status || got.Code != test.code || !strings.Contains(got.Message, test.message) {
			t.Errorf("%s %s = %s %s, want %d, %v and a message with %q",
				test.method, test.path, response.Status, body, test.status, test.code, test.message)
		}
		if byBackend := strings.HasPrefix(test.message, "no: "); byBackend != (len(got.Details) == 1 && got.Details[0]["reason"] == "TEST") {
			t.Errorf("%s %s has details %v", test.method, test.path, got.Details)
		}
		if got := response.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s has content-type %s", test.method, test.path, got)
		}
	}
}

// TestRESTLeavesGRPCAlone calls the same methods as if there were no REST.
func TestRESTLeavesGRPCAlone(t *testing.T) {
	t.Parallel()
	e, service := startLibrary(t)
	connection := e.dial(t)
	for _, name := range []protoreflect.Name{"Get", "Hidden"} {
		method := service.Methods().ByName(name)
		book, reply := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
		book.Set(method.Input().Fields().ByName("name"), protoreflect.ValueOfString("a"))
		path := "/test.Library/" + string(name)
		var header metadata.MD
		if err := connection.Invoke(callContext(t), path, book, reply, grpc.Header(&header)); err != nil || !proto.Equal(book, reply) {
			t.Errorf("%s = %v, %v, want %v", path, reply, err, book)
		}
		if got := header.Get("content-type"); len(got) != 1 || got[0] != "application/grpc" {
			t.Errorf("%s is answered as %q", path, got)
		}
		if _, _, trailer := e.callWeb(t, true, path, "application/grpc-web+proto"); !strings.Contains(trailer, "grpc-status:0\r\n") {
			t.Errorf("%s by gRPC-Web has the trailer %q, want grpc-status 0", path, trailer)
		}
	}
	err := connection.Invoke(callContext(t), "/v1/shelves/a/books", dynamicpb.NewMessage(service.Methods().Get(0).Input()), nil)
	if got := status.Convert(err); got.Code() != codes.Unimplemented || got.Message() != "no gRPC service has this path" {
		t.Errorf("a path of REST called by gRPC = %v, want UNIMPLEMENTED", err)
	}
}

// TestRESTBodies sends more than Envoy's buffers hold, and more than is allowed.
func TestRESTBodies(t *testing.T) {
	t.Parallel()
	e, _ := startLibrary(t)
	title := strings.Repeat("a", 3<<20)
	response, body := e.rest(t, true, "POST", "/v1/shelves/a/books", strings.NewReader(`{"title":"`+title+`"}`))
	if response.StatusCode != http.StatusOK || !strings.Contains(body, title) {
		t.Errorf("a body of 3 MiB = %s, %d bytes: %.300s", response.Status, len(body), body)
	}
	if response, body := e.rest(t, true, "GET", "/v1/shelves/a/books/7MiB", nil); response.StatusCode != http.StatusOK || len(body) < 7<<20 {
		t.Errorf("a reply of 7 MiB = %s, %d bytes: %.300s", response.Status, len(body), body)
	}
	response, body = e.rest(t, true, "GET", "/v1/shelves/a/books/9MiB", nil)
	if response.StatusCode != http.StatusInternalServerError || !strings.Contains(body, `"code":13`) || strings.Contains(body, `"message":""`) {
		t.Errorf("a reply of 9 MiB = %s %.300s, want 500, INTERNAL and why", response.Status, body)
	}
	for _, size := range []int64{5 << 20, 64 << 20} {
		response, body = e.rest(t, true, "POST", "/v1/shelves/a/books", io.MultiReader(
			strings.NewReader(`{"title":"`), io.LimitReader(letters{}, size), strings.NewReader(`"}`)))
		if response.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, `"code":8`) {
			t.Errorf("a body of %d MiB = %s %.300s, want 413 and RESOURCE_EXHAUSTED", size>>20, response.Status, body)
		}
	}
}

// letters never end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// TestRESTForPages checks what a page needs to call by REST and to read errors.
func TestRESTForPages(t *testing.T) {
	t.Parallel()
	e, _ := startLibrary(t, page)
	preflight := e.fromPage(t, http.MethodOptions, "/v1/shelves/a/books/b", page)
	if got := preflight.Header.Get("Access-Control-Allow-Methods"); got != "GET,POST,PUT,PATCH,DELETE" {
		t.Errorf("the preflight allows %q", got)
	}
	for path, want := range map[string]int{
		"/v1/shelves/a/books/b": 200, "/v1/shelves/a/books/5": 404, "/v1/shelves/a/books/b?nope=1": 400, "/v2/nope": 404,
	} {
		response, body := e.rest(t, true, "GET", path, nil, "Origin", page)
		if got := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != want || got != page {
			t.Errorf("%s = %s %s, allowing %q, want %d and %s", path, response.Status, body, got, want, page)
		}
	}
}

// TestNoREST checks the default: no REST, whatever the annotations.
func TestNoREST(t *testing.T) {
	t.Parallel()
	e := start(t, libraryConfig(t))
	if response, body := e.rest(t, true, "GET", "/v1/shelves/a/books/b", nil); response.StatusCode != http.StatusNotFound {
		t.Errorf("REST is off, and answers %s %s", response.Status, body)
	}
}

// rest requests the path as it is, with the header's keys and values.
func (e *edge) rest(t *testing.T, h2 bool, method, path string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(callContext(t), method, "https://"+e.address(), body)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = path
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := e.browser(t, h2).Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return response, string(content)
}
