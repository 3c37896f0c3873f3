package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"grpc-edge/envoy"
	"grpc-edge/envoy/prototest"
)

// shopProto has a method for each way in which REST differs from gRPC.
const shopProto = `
package shop;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/wrappers.proto";
message Item { string value = 1; bytes picture = 2; int64 price = 3; }
service Shop {
  rpc Put(google.protobuf.StringValue) returns (Item) { option (google.api.http) = { post: "/v1/items" body: "value" }; }
  rpc Get(Item) returns (Item) { option (google.api.http) = { get: "/v1/items/{value}" }; }
  rpc Copy(Item) returns (Item) { option (google.api.http) = { post: "/v1/copies" body: "*" }; }
  rpc List(google.protobuf.Empty) returns (stream Item) { option (google.api.http) = { get: "/v1/items" }; }
  rpc Hidden(Item) returns (Item);
}`

// shop answers a text with itself, or with the error that it names.
func shop(_ any, stream grpc.ServerStream) error {
	// The first field of all requests is a text, as StringValue has.
	request := &wrapperspb.StringValue{}
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	if method, _ := grpc.MethodFromServerStream(stream); method == "/shop.Shop/List" {
		for _, name := range []string{"a", "b"} {
			if err := stream.SendMsg(wrapperspb.String(name)); err != nil {
				return err
			}
		}
		return nil
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if request.GetValue() == code.String() {
			return status.Error(code, "because of "+request.GetValue())
		}
	}
	return stream.SendMsg(request)
}

// startShop runs an edge in front of the shop.
func startShop(t *testing.T, change func(*envoy.Config)) *edge {
	t.Helper()
	port := freePort(t)
	listenAndServe(t, "127.0.0.1", port, func(server *grpc.Server) { healthpb.RegisterHealthServer(server, health.NewServer()) }, grpc.UnknownServiceHandler(shop))
	config := envoy.Config{REST: true, Backends: []envoy.Backend{{
		Name: "shop", Address: "localhost", Port: port, Services: prototest.Services(t, shopProto),
	}}}
	if change != nil {
		change(&config)
	}
	return start(t, config)
}

func TestREST(t *testing.T) {
	t.Parallel()
	e := startShop(t, nil)
	large, tooLarge := strings.Repeat("x", 3<<20), strings.Repeat("x", 5<<20)
	for _, h2 := range []bool{true, false} {
		client := e.browser(t, h2)
		for _, test := range []struct {
			method, path, body string
			status             int
			want               string // the reply's JSON without white space; empty for any
		}{
			{"GET", "/v1/items/apple", "", 200, `{"value":"apple","picture":"","price":"0"}`},
			{"GET", "/v1/items/a%20b", "", 200, `{"value":"ab","picture":"","price":"0"}`},
			{"POST", "/v1/copies", `{"value": "pear"}`, 200, `{"value":"pear","picture":"","price":"0"}`},
			{"GET", "/v1/items", "", 200, `[{"value":"a","picture":"","price":"0"},{"value":"b","picture":"","price":"0"}]`},
			{"POST", "/v1/copies", `{"value": `, 400, ""},
			{"POST", "/v1/copies", `{"price": "many"}`, 400, ""},
			{"GET", "/v1/items/apple?colour=red", "", 400, ""},
			{"POST", "/v1/copies", `{"value": "` + large + `"}`, 200, `{"value":"` + large + `","picture":"","price":"0"}`},
			// That is the limit of the server; Envoy lets the message pass in pieces.
			{"POST", "/v1/copies", `{"value": "` + tooLarge + `"}`, 429, ""},
			{"DELETE", "/v1/items/apple", "", 404, ""},
			{"GET", "/v2/items", "", 404, ""},
			{"POST", "/v1/hidden", "{}", 404, ""},
			{"GET", "/v1/items/InvalidArgument", "", 400, `{"code":3,"message":"becauseofInvalidArgument","details":[]}`},
			{"GET", "/v1/items/NotFound", "", 404, `{"code":5,"message":"becauseofNotFound","details":[]}`},
			{"GET", "/v1/items/PermissionDenied", "", 403, ""},
			{"GET", "/v1/items/ResourceExhausted", "", 429, ""},
			{"GET", "/v1/items/Unauthenticated", "", 401, ""},
			{"GET", "/v1/items/Unavailable", "", 503, ""},
			{"GET", "/v1/items/DeadlineExceeded", "", 504, ""},
			{"GET", "/v1/items/Internal", "", 500, ""},
		} {
			code, got, err := request(client, test.method, "https://"+e.address()+test.path, test.body)
			if err != nil || code != test.status || test.want != "" && got != test.want {
				t.Errorf("HTTP/2 %v: %s %s %.40s = %d %.200s, %v, want %d %s", h2, test.method, test.path, test.body, code, got, err, test.status, test.want)
			}
			if test.status == 200 && !json.Valid([]byte(got)) {
				t.Errorf("%s %s is no JSON: %s", test.method, test.path, got)
			}
		}
	}
}

// A method that REST has answers gRPC as before.
func TestRESTLeavesGRPCAlone(t *testing.T) {
	t.Parallel()
	connection := startShop(t, nil).dial(t)
	var reply wrapperspb.StringValue
	err := connection.Invoke(callContext(t), "/shop.Shop/Get", wrapperspb.String("apple"), &reply)
	if err != nil || reply.GetValue() != "apple" {
		t.Errorf("Get(apple) = %v, %v", &reply, err)
	}
	err = connection.Invoke(callContext(t), "/shop.Shop/Get", wrapperspb.String("NotFound"), &reply)
	if status.Code(err) != codes.NotFound {
		t.Errorf("Get(NotFound) = %v", err)
	}
	err = connection.Invoke(callContext(t), "/nothing.Nothing/Nothing", &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("an unknown service: %v", err)
	}
}

func TestRESTIsOff(t *testing.T) {
	t.Parallel()
	e := startShop(t, func(c *envoy.Config) { c.REST = false })
	if code, _, err := request(e.browser(t, true), http.MethodGet, "https://"+e.address()+"/v1/items/apple", ""); err != nil || code != http.StatusNotFound {
		t.Errorf("GET /v1/items/apple = %d, %v, want 404", code, err)
	}
}

// request returns the reply's body without white space.
func request(client *http.Client, method, url, body string) (int, string, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != "" {
		r.Header.Set("content-type", "application/json")
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, "", fmt.Errorf("%s %s: %w", method, url, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, strings.Join(strings.Fields(string(content)), ""), err
}
