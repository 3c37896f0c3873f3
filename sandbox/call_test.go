package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/pulumi/stack"
	"example.com/grpc-edge/sandbox/tools"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	const grpcurl = ` -authority grpc.example.com -d '{"content":"hello"}' 198.51.100.10:443 api.`
	tests := map[string]struct {
		outputs map[string]any
		want    string
	}{
		"descriptors in a file": {map[string]any{"grpcurl": map[string]any{
			"api.Reverse/Reverse": "grpcurl -cacert ca.pem -protoset services.protoset" + grpcurl + "Reverse/Reverse",
			"api.Echo/Echo":       "grpcurl -cacert ca.pem -protoset services.protoset" + grpcurl + "Echo/Echo",
		}}, `Call them yourself by gRPC:

  .cache/bin/grpcurl -cacert .sandbox/ca.pem -protoset .sandbox/services.protoset` + grpcurl + `Echo/Echo
  .cache/bin/grpcurl -cacert .sandbox/ca.pem -protoset .sandbox/services.protoset` + grpcurl + `Reverse/Reverse

`},
		"reflection and REST": {map[string]any{
			"grpcurl": map[string]any{"api.Echo/Echo": "grpcurl -cacert ca.pem" + grpcurl + "Echo/Echo"},
			"curl": map[string]any{
				"POST /v1/reverse": `curl --cacert ca.pem --resolve grpc.example.com:443:198.51.100.10 -d '{"content":"hello"}' https://grpc.example.com/v1/reverse`,
				"POST /v1/echo":    `curl --cacert ca.pem --resolve grpc.example.com:443:198.51.100.10 -d '{"content":"hello"}' https://grpc.example.com/v1/echo`,
			},
		}, `Call them yourself by gRPC:

  .cache/bin/grpcurl -cacert .sandbox/ca.pem` + grpcurl + `Echo/Echo

Or by REST:

  curl --cacert .sandbox/ca.pem --resolve grpc.example.com:443:198.51.100.10 -d '{"content":"hello"}' https://grpc.example.com/v1/echo
  curl --cacert .sandbox/ca.pem --resolve grpc.example.com:443:198.51.100.10 -d '{"content":"hello"}' https://grpc.example.com/v1/reverse

`},
		"a public certificate": {map[string]any{"grpcurl": map[string]any{"api.Echo/Echo": "grpcurl" + grpcurl + "Echo/Echo"}},
			"Call them yourself by gRPC:\n\n  .cache/bin/grpcurl" + grpcurl + "Echo/Echo\n\n"},
	}
	for name, test := range tests {
		if got := commandsOf(test.outputs, ".sandbox").String(); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

func TestWriteFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outputs map[string]any
		files   map[string]string
	}{
		"descriptors": {map[string]any{"caCertificate": "PEM", "protoset": "aGVsbG8="}, map[string]string{caFile: "PEM", protosetFile: "hello"}},
		"reflection":  {map[string]any{"caCertificate": "PEM"}, map[string]string{caFile: "PEM"}},
	}
	for name, test := range tests {
		dir := t.TempDir()
		if err := writeFiles(test.outputs, dir); err != nil {
			t.Fatal(err)
		}
		written, err := os.ReadDir(dir)
		if err != nil || len(written) != len(test.files) {
			t.Errorf("%s: wrote %v, want %v", name, written, test.files)
		}
		for file, want := range test.files {
			if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
				t.Errorf("%s: %s holds %q (%v), want %q", name, file, got, err, want)
			}
		}
	}
	err := writeFiles(map[string]any{"protoset": "?"}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "the output protoset") {
		t.Errorf("a protoset that is no base64: %v, want an error that names it", err)
	}
}

// TestSampleAnswers checks what is reported of grpcurl's output and exit code: any status of a
// service is an answer.
func TestSampleAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ script, want, err string }{
		"a message":  {`printf '{\n  "id": "7"\n}\n'`, `{"id":"7"}`, ""},
		"no message": {``, ``, ""},
		"a status":   {`printf 'ERROR:\n  Code: NotFound\n  Message: no such shop\n' >&2; exit 69`, "Code: NotFound Message: no such shop", ""},
		"no answer":  {`echo 'Failed to dial' >&2; exit 1`, "", "calling shop.v1.Shop/Get: exit status 1: Failed to dial"},
		"time":       {`[ "$1 $2" = "-max-time 5" ] || exit 1`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "grpcurl"), []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			got, err := sample{"shop.v1.Shop/Get", "./grpcurl -d '{}' 198.51.100.10:443 shop.v1.Shop/Get"}.call(t.Context(), stack.Stack{Tools: tools.In(root)})
			if got != test.want || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
				t.Errorf("got %q, %v; want %q, %q", got, err, test.want, test.err)
			}
		})
	}
}
