package openapi_test

import (
	"maps"
	"slices"
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

// TestFieldBehavior describes each behavior that OpenAPI has a word for, in a body and in a query.
func TestFieldBehavior(t *testing.T) {
	t.Parallel()
	services := prototest.Services(t, `
		package test;
		import "google/api/annotations.proto";
		import "google/api/field_behavior.proto";
		service S {
		  rpc Set(M) returns (M) { option (google.api.http) = {post: "/v1/m" body: "*"}; }
		  rpc Get(M) returns (M) { option (google.api.http) = {get: "/v1/m"}; }
		}
		message M {
		  string name = 1 [(google.api.field_behavior) = REQUIRED, (google.api.field_behavior) = IMMUTABLE];
		  string etag = 2 [(google.api.field_behavior) = OUTPUT_ONLY];
		  string secret = 3 [(google.api.field_behavior) = INPUT_ONLY];
		  N inner = 4 [(google.api.field_behavior) = OUTPUT_ONLY];
		  N filter = 5;
		}
		message N { string id = 1 [(google.api.field_behavior) = REQUIRED]; }`)
	document, err := openapi.Document(t.Context(), "test", "", services)
	if err != nil {
		t.Fatal(err)
	}
	m := document.Components.Schemas["test.M"].Value
	if want := []string{"name"}; !slices.Equal(m.Required, want) {
		t.Errorf("a body must have %q, want %q", m.Required, want)
	}
	for name, want := range map[string][2]bool{"name": {}, "etag": {true, false}, "secret": {false, true}, "inner": {true, false}, "filter": {}} {
		if schema := m.Properties[name].Value; schema.ReadOnly != want[0] || schema.WriteOnly != want[1] {
			t.Errorf("%s: readOnly %t, writeOnly %t, want %t", name, schema.ReadOnly, schema.WriteOnly, want)
		}
	}
	query := map[string]bool{}
	for _, parameter := range document.Paths.Value("/v1/m").Get.Parameters {
		query[parameter.Value.Name] = parameter.Value.Required
	}
	// A query that leaves out a message need not have what the message requires.
	if want := map[string]bool{"name": true, "secret": false, "filter.id": false}; !maps.Equal(query, want) {
		t.Errorf("the query has, and must have, %v, want %v", query, want)
	}
}
