package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"testing"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// filesProto has files as google.api.HttpBody, in streams and in single messages.
const filesProto = `
package test;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/empty.proto";
service Files {
  rpc Upload(stream google.api.HttpBody) returns (google.api.HttpBody) { option (google.api.http) = {post: "/v1/files:upload" body: "*"}; }
  rpc Download(google.protobuf.Empty) returns (stream google.api.HttpBody) { option (google.api.http) = {get: "/v1/files:download"}; }
  rpc Put(google.api.HttpBody) returns (google.api.HttpBody) { option (google.api.http) = {put: "/v1/files:whole" body: "*"}; }
  rpc Get(google.protobuf.Empty) returns (google.api.HttpBody) { option (google.api.http) = {get: "/v1/files:whole"}; }
  rpc Store(stream Blob) returns (google.api.HttpBody) { option (google.api.http) = {post: "/v1/blobs/{name}" body: "data"}; }
  rpc Break(google.protobuf.Empty) returns (stream google.api.HttpBody) { option (google.api.http) = {get: "/v1/files:break"}; }
}
message Blob { string name = 1; google.api.HttpBody data = 2; }`

// fileSize is larger than the limit of one message, and wholeSize within it.
const (
	fileSize  = 24 << 20
	wholeSize = 3 << 20
)

// startFiles runs Envoy in front of a backend that counts what is uploaded, and whose
// downloads come in messages of 1 MiB.
func startFiles(t *testing.T) *edge {
	t.Helper()
	port := freePort(t)
	file := prototest.File(t, filesProto)
	listenAndServe(t, "127.0.0.1", port, func(s *grpc.Server) { healthpb.RegisterHealthServer(s, health.NewServer()) },
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			if name, _ := grpc.MethodFromServerStream(stream); path.Base(name) == "Download" {
				if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
					return err
				}
				for range fileSize >> 20 {
					if err := stream.SendMsg(&httpbody.HttpBody{ContentType: "video/mp4", Data: bytes.Repeat([]byte("v"), 1<<20)}); err != nil {
						return err
					}
				}
				return nil
			}
			if name, _ := grpc.MethodFromServerStream(stream); path.Base(name) == "Get" {
				return stream.SendMsg(&httpbody.HttpBody{ContentType: "video/mp4", Data: make([]byte, wholeSize)})
			}
			if name, _ := grpc.MethodFromServerStream(stream); path.Base(name) == "Break" {
				return errors.Join(stream.SendMsg(&httpbody.HttpBody{ContentType: "video/mp4", Data: []byte("v")}), stream.SendMsg(unreadable()))
			}
			if name, _ := grpc.MethodFromServerStream(stream); path.Base(name) == "Store" {
				return store(stream, file.Messages().ByName("Blob"))
			}
			size, kind := 0, ""
			for {
				var part httpbody.HttpBody
				if err := stream.RecvMsg(&part); errors.Is(err, io.EOF) {
					return stream.SendMsg(&httpbody.HttpBody{ContentType: "text/plain", Data: fmt.Append(nil, size, " bytes of ", kind)})
				} else if err != nil {
					return err
				}
				size += len(part.Data)
				if part.ContentType != "" {
					kind = part.ContentType
				}
			}
		}))
	e := start(t, envoy.Config{REST: true, Backends: []envoy.Backend{{
		Name: "files", Address: "localhost", Port: port, Services: envoy.Services(file),
	}}})
	e.awaitPods(t, "files", 1)
	return e
}

// store answers with the size of the data in all messages, and the names in them.
func store(stream grpc.ServerStream, blob protoreflect.MessageDescriptor) error {
	size, names := 0, ""
	for {
		part := dynamicpb.NewMessage(blob)
		if err := stream.RecvMsg(part); errors.Is(err, io.EOF) {
			return stream.SendMsg(&httpbody.HttpBody{ContentType: "text/plain", Data: fmt.Append(nil, size, " bytes of ", names)})
		} else if err != nil {
			return err
		}
		names += part.Get(blob.Fields().ByName("name")).String()
		data := part.Get(blob.Fields().ByName("data")).Message()
		size += len(data.Get(data.Descriptor().Fields().ByName("data")).Bytes())
	}
}

// TestFiles uploads and downloads more than a message holds.
func TestFiles(t *testing.T) {
	t.Parallel()
	e := startFiles(t)
	for _, h2 := range []bool{true, false} {
		response, body := e.rest(t, h2, "POST", "/v1/files:upload", io.LimitReader(letters{}, fileSize), "Content-Type", "video/mp4")
		if want := fmt.Sprint(fileSize, " bytes of video/mp4"); response.StatusCode != http.StatusOK || body != want {
			t.Errorf("an upload of %d bytes = %s %.200s, want %q", fileSize, response.Status, body, want)
		}
		response, body = e.rest(t, h2, "GET", "/v1/files:download", nil)
		if response.StatusCode != http.StatusOK || len(body) != fileSize || response.Header.Get("Content-Type") != "video/mp4" {
			t.Errorf("a download = %s %s, %d bytes, want %d", response.Status, response.Header.Get("Content-Type"), len(body), fileSize)
		}
		response, body = e.rest(t, h2, "PUT", "/v1/files:whole", io.LimitReader(letters{}, wholeSize), "Content-Type", "video/mp4")
		if want := fmt.Sprint(wholeSize, " bytes of video/mp4"); response.StatusCode != http.StatusOK || body != want {
			t.Errorf("an upload in one message = %s %.200s, want %q", response.Status, body, want)
		}
		response, body = e.rest(t, h2, "GET", "/v1/files:whole", nil)
		if response.StatusCode != http.StatusOK || len(body) != wholeSize {
			t.Errorf("a download in one message = %s, %d bytes, want %d", response.Status, len(body), wholeSize)
		}
		if response, body = e.rest(t, h2, "PUT", "/v1/files:whole", io.LimitReader(letters{}, fileSize), "Content-Type", "video/mp4"); response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("an upload that is larger than a message = %s %.200s, want 413", response.Status, body)
		}
		// Only the first message of the stream has the name of the path.
		response, body = e.rest(t, h2, "POST", "/v1/blobs/cat", io.LimitReader(letters{}, fileSize), "Content-Type", "video/mp4")
		if want := fmt.Sprint(fileSize, " bytes of cat"); response.StatusCode != http.StatusOK || body != want {
			t.Errorf("an upload to a field = %s %.200s, want %q", response.Status, body, want)
		}
		e.expectBroken(t, h2, "/v1/files:break")
	}
	// A type that a page may send without a preflight is refused from pages, and taken from others.
	for _, origin := range []string{page, "null"} {
		for _, kind := range []string{"", "text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"} {
			got, err := e.raw(t, "/v1/files:upload", func(r *http.Request) {
				r.Header = http.Header{"Origin": {origin}}
				if kind != "" {
					r.Header.Set("Content-Type", kind)
				}
			})
			if err != nil || got.status != http.StatusUnsupportedMediaType {
				t.Errorf("content type %q from a page of %s = %d %s, %v, want 415", kind, origin, got.status, got.body, err)
			}
		}
	}
	if response, body := e.rest(t, true, "POST", "/v1/files:upload", io.LimitReader(letters{}, 9), "Content-Type", "text/plain"); response.StatusCode != http.StatusOK {
		t.Errorf("a program's text/plain = %s %s, want 200", response.Status, body)
	}
}
