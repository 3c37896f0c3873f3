package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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

func TestWithMessage(t *testing.T) {
	t.Parallel()
	const command = `printf %s -d '{"content":"hello"}'`
	for _, message := range []string{"hello", "it's", `"quoted"`, "$HOME `id` \\", "a<b>&c", "naïve 👩‍👩‍👧", ""} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			got, err := withMessage(command, message)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("sh", "-c", got).Output()
			if err != nil {
				t.Fatal(err)
			}
			var request struct{ Content string }
			// printf prints its arguments one after the other: -d, then the request.
			if err := json.Unmarshal(bytes.TrimPrefix(out, []byte("-d")), &request); err != nil {
				t.Fatalf("the shell made %s of %s: %v", out, got, err)
			}
			if request.Content != message {
				t.Errorf("the shell made %s of %s, want the message %q", out, got, message)
			}
		})
	}
}

func TestWithMessageRefusesOtherCommands(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"grpcurl list", "grpcurl -d 'x", "grpcurl -d '[1]' a b"} {
		if got, err := withMessage(command, "m"); err == nil {
			t.Errorf("withMessage(%q) = %q, want an error", command, got)
		}
	}
}
