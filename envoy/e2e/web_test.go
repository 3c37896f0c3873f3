package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

// page is the origin that the tests allow.
const page = "https://app.example.com"

// TestGRPCWeb calls in both forms of gRPC's doc/PROTOCOL-WEB.md, over both
// versions of HTTP. No configuration turns that on.
func TestGRPCWeb(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	for _, contentType := range []string{
		"application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text", "application/grpc-web-text+proto",
	} {
		for _, h2 := range []bool{true, false} {
			header, message, trailer := e.callWeb(t, h2, headers, contentType)
			var reply wrapperspb.StringValue
			if err := proto.Unmarshal(message, &reply); err != nil || !strings.Contains(reply.Value, ":authority: "+e.address()) {
				t.Errorf("%s: the reply has %q, %v", contentType, reply.Value, err)
			}
			if !strings.Contains(trailer, "grpc-status:0\r\n") {
				t.Errorf("%s: the trailer is %q, want grpc-status 0", contentType, trailer)
			}
			if got := header.Get("Content-Type"); strings.Contains(contentType, "text") != strings.Contains(got, "text") {
				t.Errorf("%s was answered as %s", contentType, got)
			}
		}
	}
}

// TestGRPCWebErrors checks that a page gets the status of gRPC, whether the backend or Envoy sets
// it.
func TestGRPCWebErrors(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	for method, want := range map[string]string{
		"/test.Probe/Nope": "the backend has no method /test.Probe/Nope",
		"/api.Nope/Nope":   "no gRPC service has this path",
	} {
		header, _, _ := e.callWeb(t, true, method, "application/grpc-web+proto")
		message := strings.ReplaceAll(header.Get("Grpc-Message"), "%20", " ")
		if got := header.Get("Grpc-Status"); got != "12" || message != want {
			t.Errorf("%s = grpc-status %q, %q, want 12, %q", method, got, message, want)
		}
	}
}

// callWeb sends an empty message. The trailer is empty if the status is in the header.
func (e *edge) callWeb(t *testing.T, h2 bool, method, contentType string) (header http.Header, message []byte, trailer string) {
	t.Helper()
	text := strings.Contains(contentType, "text")
	body := make([]byte, 5)
	if text {
		body = []byte(base64.StdEncoding.EncodeToString(body))
	}
	request, err := http.NewRequestWithContext(callContext(t), http.MethodPost, "https://"+e.address()+method, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", contentType)
	response, err := e.browser(t, h2).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK && response.Header.Get("Grpc-Status") == "" {
		t.Fatalf("%s as %s = %s %q", method, contentType, response.Status, body)
	}
	if text {
		body = decodeBase64(t, body)
	}
	message, trailer = splitFrames(t, body)
	return response.Header, message, trailer
}

// decodeBase64 decodes pieces that end in padding each.
func decodeBase64(t *testing.T, text []byte) []byte {
	t.Helper()
	var decoded []byte
	for len(text) >= 4 {
		piece, err := base64.StdEncoding.DecodeString(string(text[:4]))
		if err != nil {
			t.Fatalf("%q is not base64: %v", text, err)
		}
		decoded, text = append(decoded, piece...), text[4:]
	}
	return decoded
}

// splitFrames takes the message and the trailer out of a body.
func splitFrames(t *testing.T, body []byte) (message []byte, trailer string) {
	t.Helper()
	for len(body) > 0 {
		if len(body) < 5 || len(body)-5 < int(binary.BigEndian.Uint32(body[1:])) {
			t.Fatalf("the body ends in a broken frame: %q", body)
		}
		end := 5 + binary.BigEndian.Uint32(body[1:])
		if content := body[5:end]; body[0] == 0x80 {
			trailer = string(content)
		} else {
			message = content
		}
		body = body[end:]
	}
	return message, trailer
}

// TestCORS has every path answer the pages of the origin that is allowed, and no
// others.
func TestCORS(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.Origins = []string{"https://other.example.com", page}
	e := start(t, config)
	for _, path := range []string{count, "/api.Nope/Nope", "/v1/anything"} {
		allowed := e.fromPage(t, http.MethodOptions, path, page)
		for key, want := range map[string]string{
			"Access-Control-Allow-Origin":  page,
			"Access-Control-Allow-Methods": "POST",
			"Access-Control-Allow-Headers": "content-type,x-grpc-web,x-user-agent,grpc-timeout,authorization,traceparent,tracestate",
			"Access-Control-Max-Age":       "7200",
		} {
			if got := allowed.Header.Get(key); allowed.StatusCode != http.StatusOK || got != want {
				t.Errorf("preflight of %s = %d, %s %q, want 200, %q", path, allowed.StatusCode, key, got, want)
			}
		}
		called := e.fromPage(t, http.MethodPost, path, page)
		for key, want := range map[string]string{
			"Access-Control-Allow-Origin":   page,
			"Access-Control-Expose-Headers": "grpc-status,grpc-message,grpc-status-details-bin,x-request-id",
			"Vary":                          "origin",
		} {
			if got := called.Header.Get(key); got != want {
				t.Errorf("%s has %s %q, want %q", path, key, got, want)
			}
		}
		const foreign = "https://app.example.com.evil.example"
		refused := e.fromPage(t, http.MethodOptions, path, foreign)
		if refused.StatusCode != http.StatusOK {
			t.Errorf("preflight of %s by %s = %s, want the edge's own 200", path, foreign, refused.Status)
		}
		expectNoCORS(t, refused, "Allow-Origin")
		expectNoCORS(t, e.fromPage(t, http.MethodPost, path, foreign), "")
		expectNoCORS(t, e.fromPage(t, http.MethodPost, path, ""), "")
	}
}

// TestHeadersOfPages adds what pages may send and read, and the header of a canary.
func TestHeadersOfPages(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.Origins, config.PageRequestHeaders, config.PageResponseHeaders = []string{page}, []string{"x-tenant"}, []string{"x-cost"}
	config.Backends[0].Canary = &envoy.Canary{Address: "localhost", Header: "x-release"}
	e := start(t, config)
	if got := e.fromPage(t, http.MethodOptions, count, page).Header.Get("Access-Control-Allow-Headers"); !strings.HasSuffix(got, ",x-tenant,x-release") {
		t.Errorf("pages may send %s, want x-tenant and x-release among it", got)
	}
	if got := e.fromPage(t, http.MethodPost, count, page).Header.Get("Access-Control-Expose-Headers"); !strings.HasSuffix(got, ",x-cost") {
		t.Errorf("pages may read %s, want x-cost among it", got)
	}
}

// TestNoOriginsNoCORS checks an edge that serves no pages.
func TestNoOriginsNoCORS(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	for _, method := range []string{http.MethodOptions, http.MethodPost} {
		for _, path := range []string{count, "/v1/anything"} {
			expectNoCORS(t, e.fromPage(t, method, path, page), "")
		}
	}
}

// TestPagesCannotNameClusters sends a path that would bypass the routes if the route for
// pages looked at it.
func TestPagesCannotNameClusters(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.Origins = []string{page}
	e := start(t, config)
	ctx := metadata.AppendToOutgoingContext(callContext(t), "origin", page)
	err := e.dial(t).Invoke(ctx, "/config_dump", wrapperspb.String(""), &wrapperspb.StringValue{})
	if err == nil || !strings.Contains(err.Error(), "no gRPC service has this path") {
		t.Errorf("/config_dump = %v, want what every unknown path gets", err)
	}
	// The status of gRPC for what is not found, as gRPC-Web has it.
	if got := e.fromPage(t, http.MethodGet, "/config_dump", page); got.Header.Get("grpc-status") != fmt.Sprint(int(codes.Unimplemented)) {
		t.Errorf("GET /config_dump = %s %v, want grpc-status 12", got.Status, got.Header)
	}
}

func expectNoCORS(t *testing.T, response *http.Response, header string) {
	t.Helper()
	for key := range response.Header {
		if strings.HasPrefix(key, "Access-Control-"+header) {
			t.Errorf("%s of %s, origin %q, is answered %s: %s", response.Request.Method, response.Request.URL.Path,
				response.Request.Header.Get("Origin"), key, response.Header.Get(key))
		}
	}
}

// fromPage requests as a browser does for a page; OPTIONS is a preflight. An
// empty origin is a request from no page.
func (e *edge) fromPage(t *testing.T, method, path, origin string) *http.Response {
	t.Helper()
	body := bytes.NewReader(make([]byte, 5))
	request, err := http.NewRequestWithContext(callContext(t), method, "https://"+e.address()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc-web+proto")
	if origin != "" {
		request.Header.Set("Origin", origin)
	}
	if method == http.MethodOptions {
		request.Header.Del("Content-Type")
		request.Body = http.NoBody
		request.Header.Set("Access-Control-Request-Method", http.MethodPost)
		request.Header.Set("Access-Control-Request-Headers", "content-type,x-grpc-web")
	}
	response, err := e.browser(t, true).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}
