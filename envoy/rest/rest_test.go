package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/grpc-edge/envoy/prototest"
	"example.com/grpc-edge/envoy/rest"
)

const messages = `
package test;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/timestamp.proto";
message Request {
  string name = 1; Book book = 2; repeated string tags = 3; repeated Book books = 4;
  map<string, string> labels = 5; google.protobuf.Timestamp time = 6; int64 number = 7; Genre genre = 8;
}
message Book { string name = 1; Book next = 2; }
enum Genre { GENRE_UNSPECIFIED = 0; }
message Response { string text = 1; Book book = 2; repeated Book items = 3; google.api.HttpBody file = 4; repeated google.api.HttpBody files = 5; }
service Library { rpc Get(Request) returns (Response) { option (google.api.http) = {%s}; } }`

func bindings(t *testing.T, annotation string) []rest.Binding {
	t.Helper()
	return rest.Bindings(prototest.Services(t, fmt.Sprintf(messages, annotation))[0].Methods().Get(0))
}

// TestCheck has an annotation of each kind with the error that names what is wrong.
func TestCheck(t *testing.T) {
	t.Parallel()
	for annotation, want := range map[string]string{
		`get: "/v1/{name}"`:                                         "",
		`get: "/v1/{name=shelves/*}/{number}/{genre}"`:              "",
		`post: "/v1/{book.name=a/**}:archive" body: "*"`:            "",
		`post: "/v1/{book.next.next.name}" body: "books"`:           "",
		`post: "/v1/a" body: "book"`:                                "",
		`custom: {kind: "HEAD" path: "/v1/a"}`:                      "",
		`custom: {kind: "*" path: "/v1/a"}`:                         "",
		`get: "/v1/a" response_body: "file"`:                        "",
		`get: "/v1/a" additional_bindings {put: "/v1/b" body: "*"}`: "",
		`get: "/v1/{nane}"`:                                         "the variable {nane} names no field of test.Request",
		`get: "/v1/{book.title}"`:                                   "the variable {book.title} names no field",
		`get: "/v1/{books.name}"`:                                   "the variable {books.name} names no field",
		`get: "/v1/{name.x}"`:                                       "the variable {name.x} names no field",
		`get: "/v1/{book}"`:                                         "the variable {book} is a message",
		`get: "/v1/{time}"`:                                         "the variable {time} is a message",
		`get: "/v1/{tags}"`:                                         "the variable {tags} is a list",
		`get: "/v1/{labels}"`:                                       "the variable {labels} is a map",
		`post: "/v1/a" body: "bok"`:                                 `body is "bok", which names no field of test.Request; it must be one of them, or "*"`,
		`post: "/v1/a" body: "book.name"`:                           `body is "book.name", which names no field`,
		`get: "/v1/a" response_body: "itmes"`:                       `response_body is "itmes", which names no field of test.Response`,
		`get: "/v1/a" response_body: "items"`:                       `response_body is "items", and Envoy answers with a field only if it is a google.api.HttpBody`,
		`get: "/v1/a" response_body: "text"`:                        `response_body is "text", and Envoy`,
		`get: "/v1/a" response_body: "files"`:                       `response_body is "files", and Envoy`,
		`custom: {path: "/v1/a"}`:                                   "the custom pattern of /v1/a has no kind",
		`get: "v1/a"`:                                               `"v1/a" is not a path`,
		`get: "/v1/a" additional_bindings {get: "/v1/{nane}"}`:      "the variable {nane} names no field",
		`body: "*"`: `"" is not a path`,
	} {
		var got []string
		for _, binding := range bindings(t, annotation) {
			if err := binding.Check(); err != nil {
				got = append(got, err.Error())
			}
		}
		text := strings.Join(got, "\n")
		if (text != "") != (want != "") || !strings.Contains(text, want) || want != "" && !strings.Contains(text, "test.Library.Get") {
			t.Errorf("%s: %q, want %q and the method's name", annotation, text, want)
		}
	}
}

func TestBindings(t *testing.T) {
	t.Parallel()
	got := bindings(t, `patch: "/v1/{book.name=shelves/*}/{number}" body: "book"
		additional_bindings {custom: {kind: "HEAD" path: "/v1/{name}"}} additional_bindings {delete: "/v1/{name=**}"}`)
	want := []struct{ verb, template, body, pattern, variables string }{
		{"PATCH", "/v1/{book.name=shelves/*}/{number}", "book", "/v1/shelves/*/*", "[{book.name shelves/*} {number *}]"},
		{"HEAD", "/v1/{name}", "", "/v1/*", "[{name *}]"},
		{"DELETE", "/v1/{name=**}", "", "/v1/**", "[{name **}]"},
	}
	if len(got) != len(want) {
		t.Fatalf("Bindings() = %v", got)
	}
	for i, w := range want {
		g := got[i]
		if g.Verb != w.verb || g.Template != w.template || g.Body != w.body || g.Pattern() != w.pattern || fmt.Sprint(g.Variables()) != w.variables {
			t.Errorf("binding %d is %s %s of body %q, pattern %s, variables %v; want %v", i, g.Verb, g.Template, g.Body, g.Pattern(), g.Variables(), w)
		}
	}
	if none := rest.Bindings(prototest.Services(t, "message M {} service S { rpc Get(M) returns (M); }")[0].Methods().Get(0)); none != nil {
		t.Errorf("a method without an annotation has %v", none)
	}
}

// TestShape compares templates in pairs. The first of a pair is never the wider one.
func TestShape(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		narrow, wide       string
		overlaps, contains bool
	}{
		{"/v1/users/{id}", "/v1/users/{name}", true, true},
		{"/v1/users/me", "/v1/users/{id}", true, true},
		{"/v1/users/{id}", "/v1/{name=**}", true, true},
		{"/v1/{name=users/*}", "/v1/users/{id}", true, true},
		{"/v1/{a}/{b=**}", "/v1/{b=**}", true, true},
		{"/v1/users/{id}:disable", "/v1/{name=**}:disable", true, true},
		{"/v1/users/{id}/cars", "/v1/{kind}/me/cars", true, false},
		{"/v1/users/{id}:disable", "/v1/users/{id}", false, false},
		{"/v1/users/{id}:disable", "/v1/users/{id}:enable", false, false},
		{"/v1/users/{id}", "/v1/cars/{id}", false, false},
		{"/v1/users/{id}/cars", "/v1/users/{id}", false, false},
	} {
		narrow, wide := rest.Binding{Template: test.narrow}.Shape(), rest.Binding{Template: test.wide}.Shape()
		if narrow.Overlaps(wide) != test.overlaps || wide.Overlaps(narrow) != test.overlaps {
			t.Errorf("%s and %s: Overlaps() is not %t in both directions", narrow, wide, test.overlaps)
		}
		if got := wide.Contains(narrow); got != test.contains {
			t.Errorf("%s: Contains(%s) = %t", wide, narrow, got)
		}
		if narrow.String() == wide.String() {
			continue
		}
		if test.contains && (narrow.Contains(wide) || narrow.Compare(wide) >= 0 || wide.Compare(narrow) <= 0) {
			t.Errorf("%s is not narrower than %s", narrow, wide)
		}
	}
	custom, all := rest.Binding{Template: "/v1/users/{id}:disable"}.Shape(), rest.Binding{Template: "/v1/users/{id}", Verb: "*"}.Shape()
	if !all.Contains(custom) || custom.Contains(all) || !custom.Overlaps(all) {
		t.Errorf("%s does not contain %s", all, custom)
	}
}
