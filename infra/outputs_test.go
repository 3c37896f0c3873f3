package main

import (
	"encoding/base64"
	"fmt"
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
	const (
		grpcurl = `grpcurl -cacert ca.pem -authority grpc.example.com -d '{"content":"hello"}' 203.0.113.10:443 `
		curl    = `curl --cacert ca.pem --resolve grpc.example.com:443:203.0.113.10 -X POST ` +
			`-H 'content-type: application/json' -d '{"content":"hello"}' https://grpc.example.com`
	)
	for name, want := range map[string]any{
		"address":         "203.0.113.10",
		"authority":       "grpc.example.com",
		"caCertificate":   "AUTHORITY",
		"registry":        "us-central1-docker.pkg.dev/sandbox-project/grpc-edge-sandbox",
		"network":         "network",
		"nodeAccount":     "nodes@sandbox-project.iam.gserviceaccount.com",
		"clusterName":     "cluster",
		"clusterLocation": "us-central1-a",
		"grpcurl":         map[string]any{"api.Echo/Echo": grpcurl + "api.Echo/Echo", "api.Reverse/Reverse": grpcurl + "api.Reverse/Reverse"},
		"curl":            map[string]any{"POST /v1/echo": curl + "/v1/echo", "POST /v1/reverse": curl + "/v1/reverse"},
		"protoset":        nil,
	} {
		if diff := cmp.Diff(want, plain(outputs[resource.PropertyKey(name)])); diff != "" {
			t.Errorf("output %s (-want +got):\n%s", name, diff)
		}
	}
}

// TestOutputsOfSeveralAuthorities checks that each command names an authority that serves its
// method.
func TestOutputsOfSeveralAuthorities(t *testing.T) {
	outputs := mustRun(t, "sandbox", false, map[string]string{
		"grpc-edge:authorities": `["grpc.example.com", "partners.example.com"]`,
		"grpc-edge:rules":       `[{"service": "api.Reverse", "authority": "partners.example.com"}]`,
		"grpc-edge:rest":        "false",
	}).outputs
	const command = `grpcurl -cacert ca.pem -authority %s -d '{"content":"hello"}' 203.0.113.10:443 %s`
	want := map[string]any{
		"api.Echo/Echo":       fmt.Sprintf(command, "grpc.example.com", "api.Echo/Echo"),
		"api.Reverse/Reverse": fmt.Sprintf(command, "partners.example.com", "api.Reverse/Reverse"),
	}
	if diff := cmp.Diff(want, plain(outputs["grpcurl"])); diff != "" {
		t.Errorf("output grpcurl (-want +got):\n%s", diff)
	}
}

// TestOutputsWithoutReflection checks that, if the edge does not answer reflection to anyone, the
// commands use a file of descriptors.
func TestOutputsWithoutReflection(t *testing.T) {
	for name, keys := range map[string]map[string]string{
		"off":       {"grpc-edge:reflection": "false"},
		"by a rule": {"grpc-edge:rules": `[{"service": "grpc.reflection.v1.ServerReflection", "clients": ["192.0.2.0/24"]}]`},
	} {
		keys["grpc-edge:rest"] = "false"
		t.Run(name, func(t *testing.T) { checkDescribed(t, mustRun(t, "sandbox", false, keys).outputs) })
	}
}

func checkDescribed(t *testing.T, outputs resource.PropertyMap) {
	t.Helper()
	want := map[string]any{}
	for _, method := range []string{"api.Echo/Echo", "api.Reverse/Reverse"} {
		want[method] = `grpcurl -cacert ca.pem -protoset services.protoset -authority grpc.example.com -d '{"content":"hello"}' 203.0.113.10:443 ` + method
	}
	if diff := cmp.Diff(want, plain(outputs["grpcurl"])); diff != "" {
		t.Errorf("output grpcurl (-want +got):\n%s", diff)
	}
	if got := outputs["curl"].ObjectValue(); len(got) > 0 {
		t.Errorf("output curl = %v, want none", got)
	}
	content, err := base64.StdEncoding.DecodeString(outputs["protoset"].StringValue())
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
