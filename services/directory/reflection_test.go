package main

import (
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ask asks reflection; its versions have the same messages.
func ask(t *testing.T, conn *grpc.ClientConn, version string, request *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
	t.Helper()
	stream, err := conn.NewStream(bounded(t), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		"/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(request); err != nil {
		t.Fatal(err)
	}
	reply := &grpc_reflection_v1.ServerReflectionResponse{}
	if err := stream.RecvMsg(reply); err != nil {
		t.Fatalf("reflection %s of %v: %v", version, request, err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	return reply
}

func symbol(name string) *grpc_reflection_v1.ServerReflectionRequest {
	return &grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name},
	}
}

func TestReflectionListsWhatHasABackend(t *testing.T) {
	t.Parallel()
	conn := startDirectory(t, startBackend(t, anyPort).address)
	want := []string{ // and not the other services of the same file
		"grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection",
		"grpc.reflection.v1alpha.ServerReflection",
		served,
	}
	for _, version := range []string{"v1", "v1alpha"} {
		reply := ask(t, conn, version, &grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
		})
		var got []string
		for _, service := range reply.GetListServicesResponse().GetService() {
			got = append(got, service.GetName())
		}
		if !slices.Equal(got, want) {
			t.Errorf("reflection %s lists %v, want %v", version, got, want)
		}
	}
}

func TestReflectionDescribesTheSetAndNothingElse(t *testing.T) {
	t.Parallel()
	conn := startDirectory(t, startBackend(t, anyPort).address)
	for name, want := range map[string][]string{
		served:                                {"grpc/testing/test.proto", "grpc/testing/empty.proto", "grpc/testing/messages.proto"},
		"grpc.health.v1.Health":               {"grpc/health/v1/health.proto"},
		"grpc.reflection.v1.ServerReflection": {"grpc/reflection/v1/reflection.proto"},
		// The program's libraries have these, and the set does not.
		"google.protobuf.Any": nil,
		"opentelemetry.proto.collector.trace.v1.TraceService": nil,
		"no.Such": nil,
	} {
		reply := ask(t, conn, "v1", symbol(name))
		var got []string
		for _, content := range reply.GetFileDescriptorResponse().GetFileDescriptorProto() {
			file := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal(content, file); err != nil {
				t.Fatal(err)
			}
			got = append(got, file.GetName())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is described by %v, want %v", name, got, want)
		}
		if code := reply.GetErrorResponse().GetErrorCode(); want == nil && code != int32(codes.NotFound) {
			t.Errorf("%s ends with the code %d, want NOT_FOUND", name, code)
		}
	}
}

func TestReflectionKnowsTheExtensionsOfTheSet(t *testing.T) {
	t.Parallel()
	conn := startDirectory(t, startBackend(t, anyPort).address)
	reply := ask(t, conn, "v1", &grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_AllExtensionNumbersOfType{
			AllExtensionNumbersOfType: "google.protobuf.MethodOptions",
		},
	})
	got := reply.GetAllExtensionNumbersResponse().GetExtensionNumber()
	if slices.Sort(got); !slices.Equal(got, []int32{50_001, 50_002}) {
		t.Errorf("extensions = %v, want 50001 and 50002", got)
	}
}
