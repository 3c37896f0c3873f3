package e2e

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// frame returns a message of gRPC ("gRPC over HTTP2", Length-Prefixed-Message).
func frame(flag byte, content string) string {
	head := binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(content)))
	return string(head) + content
}

// brokenAnswer describes an answer that no gRPC server gives, and the status, code and part of the
// reason that a REST caller must get. Without a reason, Envoy forwards the answer.
type brokenAnswer struct {
	handler http.HandlerFunc
	status  int
	code    codes.Code
	reason  string
}

var brokenAnswers = map[string]brokenAnswer{
	"no UTF-8 in a string":  {grpcAnswer(frame(0, "\x0a\x01\xff")), 502, codes.Unknown, "must be UTF-8"},
	"a message cut short":   {grpcAnswer("\x00\x00\x00\x00\x09a"), 502, codes.Unknown, "expected size: 9 actual size: 1"},
	"a compressed message":  {grpcAnswer(frame(1, "abc")), 502, codes.Unknown, "frame flag: 1"},
	"a reset":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503, codes.Unavailable, "remote reset"},
	"an error of a proxy":   {httpAnswer(http.StatusBadGateway), 502, 0, ""},
	"a page for a failure":  {httpAnswer(http.StatusInternalServerError), 500, 0, ""},
	"an error of a handler": {grpcError(codes.Internal), 500, codes.Internal, "it broke"},
}

func httpAnswer(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "it broke", code) }
}

func grpcError(code codes.Code) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "application/grpc")
		w.Header().Set("grpc-status", strconv.Itoa(int(code)))
		w.Header().Set("grpc-message", "it broke")
	}
}

func grpcAnswer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "application/grpc")
		w.Header().Set("trailer", "grpc-status")
		_, _ = w.Write([]byte(body))
		w.Header().Set("grpc-status", "0")
	}
}

func TestRESTBrokenAnswers(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	serveHTTP(t, "127.0.0.1", port, "/test.Library/", func(w http.ResponseWriter, r *http.Request) {
		brokenAnswers[r.Header.Get("x-case")].handler(w, r)
	})
	e := start(t, envoy.Config{REST: true, Backends: []envoy.Backend{{Name: "library", Address: "localhost", Port: port, Services: prototest.Services(t, libraryProto)}}})
	for name, want := range brokenAnswers {
		response, body := e.rest(t, true, "GET", "/v1/shelves/a/books/b", strings.NewReader(""), "x-case", name)
		var got struct {
			Code    codes.Code
			Message string
		}
		err := json.Unmarshal([]byte(body), &got)
		if want.reason == "" {
			if response.StatusCode != want.status || body != "it broke\n" {
				t.Errorf("%s: %s %q, want %d and the backend's own body", name, response.Status, body, want.status)
			}
		} else if err != nil || response.StatusCode != want.status || got.Code != want.code || !strings.Contains(got.Message, want.reason) {
			t.Errorf("%s: %s %s, want %d, %v and a message with %q", name, response.Status, body, want.status, want.code, want.reason)
		}
	}
}
