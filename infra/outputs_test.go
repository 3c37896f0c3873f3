package main

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestOutputs(t *testing.T) {
	outputs := mustRun(t, "sandbox", false, nil).outputs
	const command = `grpcurl -cacert ca.pem -protoset services.protoset -authority grpc.example.com -d '{"content":"hello"}' 203.0.113.10:443 `
	for name, want := range map[string]any{
		"address":         "203.0.113.10",
		"authority":       "grpc.example.com",
		"caCertificate":   "AUTHORITY",
		"registry":        "us-central1-docker.pkg.dev/sandbox-project/grpc-edge-sandbox",
		"clusterName":     "cluster",
		"clusterLocation": "us-central1-a",
		"grpcurl": map[string]any{
			"api.Echo/Echo":       command + "api.Echo/Echo",
			"api.Reverse/Reverse": command + "api.Reverse/Reverse",
		},
	} {
		if diff := cmp.Diff(want, plain(outputs[resource.PropertyKey(name)])); diff != "" {
			t.Errorf("output %s (-want +got):\n%s", name, diff)
		}
	}
}

// The output protoset describes every method without any other file.
func TestProtosetIsComplete(t *testing.T) {
	text, err := descriptorSet(services)
	if err != nil {
		t.Fatal(err)
	}
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatalf("a file is missing: %v", err)
	}
	for _, name := range []string{"api.Echo", "api.Reverse"} {
		if _, err := files.FindDescriptorByName(protoreflect.FullName(name)); err != nil {
			t.Errorf("finding %s: %v", name, err)
		}
	}
}
