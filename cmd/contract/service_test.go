package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"gotest.tools/v3/assert"

	"example.com/grpc-edge/cmd/contract/run"
)

const cart = "registry.example/cart@sha256:0000000000000000000000000000000000000000000000000000000000000000"

// repository writes a service with the spec, and one that is wrong, into a folder.
func repository(t *testing.T, spec string) string {
	t.Helper()
	root := t.TempDir()
	descriptors, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("cart.proto"), Package: proto.String("cart.v1"), Syntax: proto.String("proto3"),
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Cart")}},
	}}})
	assert.NilError(t, err)
	for file, content := range map[string]string{
		"cart/service.yaml": spec, "cart/cart.proto": "", "cart/descriptor.binpb": string(descriptors), "cart/prices.json": "{}",
		"other/service.yaml": "cpu: much\n",
	} {
		file = filepath.Join(root, "services", file)
		assert.NilError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		assert.NilError(t, os.WriteFile(file, []byte(content), 0o644))
	}
	return root
}

func TestOfService(t *testing.T) {
	t.Parallel()
	got, err := ofService(repository(t, "image: "+cart+`
command: [/bin/cart]
args: ["--port=$(PORT)"]
environment: {B: two words, A: "1"}
files: {/etc/cart/prices.json: prices.json}
scratch: {/tmp: 64Mi}
secrets: {PASSWORD: {version: db/1}}
calls: [other]
startupSeconds: 300
`), "cart")
	assert.NilError(t, err)
	assert.Equal(t, got.image, cart)
	assert.Equal(t, got.start, 5*time.Minute)
	assert.DeepEqual(t, got.missing, []string{"PASSWORD"})
	assert.DeepEqual(t, got.options, run.Options{
		Command: []string{"/bin/cart"}, Args: []string{"--port=$(PORT)"}, Environment: []string{"A=1", "B=two words", "OTHER_TARGET=dns:///other.invalid:8080"},
		Files: map[string][]byte{"/etc/cart/prices.json": []byte("{}")}, Scratch: map[string]int64{"/tmp": 64 << 20},
	})
}

func TestOfServiceRefuses(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"": "has no go.mod",
		"image: " + cart + "\nscratch: {/tmp: much}": "services/cart/service.yaml scratch",
	} {
		if _, err := ofService(repository(t, spec), "cart"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", spec, err, want)
		}
	}
	if _, err := ofService(repository(t, "image: "+cart), "card"); err == nil || !strings.Contains(err.Error(), `no service "card"`) {
		t.Errorf("an unknown service: %v", err)
	}
}
