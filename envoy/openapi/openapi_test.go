package openapi_test

import (
	"strings"
	"testing"

	"example.com/grpc-edge/envoy/openapi"
	"example.com/grpc-edge/envoy/prototest"
)

// TestWrongAnnotations has annotations that name no field.
func TestWrongAnnotations(t *testing.T) {
	t.Parallel()
	services := prototest.Services(t, `
		package test;
		import "google/api/annotations.proto";
		service S {
		  rpc Set(M) returns (M) { option (google.api.http) = {post: "/v1/{nane}" body: "thng"}; }
		  rpc All(M) returns (M) { option (google.api.http) = {post: "/v1/all/{nane}" body: "*"}; }
		}
		message M { string name = 1; }`)
	_, err := openapi.Document(t.Context(), "test", "", services)
	if err == nil {
		t.Fatal("Document() describes annotations that are wrong")
	}
	for _, want := range []string{`body is "thng"`, "google.api.http of test.S.Set: the variable {nane} names no field", "google.api.http of test.S.All"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}
