package chassis

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// levels declares a service with a method for each kind of retry.
var levels = &descriptorpb.FileDescriptorProto{
	Name: proto.String("chassis/test/levels.proto"), Package: proto.String("chassis.test"), Syntax: proto.String("proto3"),
	Dependency: []string{"google/protobuf/empty.proto"},
	Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Levels"), Method: []*descriptorpb.MethodDescriptorProto{
		method("Get", descriptorpb.MethodOptions_NO_SIDE_EFFECTS, false),
		method("Put", descriptorpb.MethodOptions_IDEMPOTENT, false),
		method("Pay", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN, false),
		method("Upload", descriptorpb.MethodOptions_IDEMPOTENT, true),
	}}},
}

func method(name string, level descriptorpb.MethodOptions_IdempotencyLevel, streams bool) *descriptorpb.MethodDescriptorProto {
	return &descriptorpb.MethodDescriptorProto{
		Name: &name, InputType: proto.String(".google.protobuf.Empty"), OutputType: proto.String(".google.protobuf.Empty"),
		ClientStreaming: &streams, Options: &descriptorpb.MethodOptions{IdempotencyLevel: &level},
	}
}

// registered is known to the whole program, as generated code is.
var registered = register()

func register() protoreflect.FileDescriptor {
	file, err := protodesc.NewFile(levels, protoregistry.GlobalFiles)
	if err == nil {
		err = protoregistry.GlobalFiles.RegisterFile(file)
	}
	if err != nil {
		panic(err)
	}
	return file
}

func TestServiceConfigRepeatsWhatTheProtoAllows(t *testing.T) {
	t.Parallel()
	text, err := serviceConfig(protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	var got config
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, name := range got.Methods[0].Name {
		if name.Service == string(registered.Services().Get(0).FullName()) {
			ours = append(ours, name.Method)
		}
	}
	if want := []string{"Get", "Put"}; !slices.Equal(ours, want) {
		t.Errorf("%v are tried again, want %v", ours, want)
	}
	text, err = serviceConfig(new(protoregistry.Files))
	if err != nil {
		t.Fatal(err)
	}
	if got = (config{}); json.Unmarshal([]byte(text), &got) != nil || len(got.Methods) != 0 {
		t.Errorf("without descriptors the service config is %s, want no methods", text)
	}
}

// failing serves the levels and counts the tries; fails says which of them end
// with UNAVAILABLE.
func (c *cluster) failing(n int, fails func(try int32) bool) (tries *atomic.Int32) {
	c.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(c.address(n), c.port))
	if err != nil {
		c.t.Fatal(err)
	}
	tries = new(atomic.Int32)
	// No health service, as in a program that is not of the chassis.
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if name, _ := grpc.MethodFromServerStream(stream); protoreflect.FullName(name[1:]).Parent() == "grpc.health.v1" {
			return status.Error(codes.Unimplemented, "no health service")
		}
		if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
			return err
		}
		if fails(tries.Add(1)) {
			return status.Error(codes.Unavailable, "broken")
		}
		return stream.SendMsg(new(emptypb.Empty))
	}))
	go server.Serve(listener) //nolint:errcheck // ends with Stop
	c.t.Cleanup(server.Stop)
	return tries
}

func get(ctx context.Context, connection *grpc.ClientConn, name string) error {
	return connection.Invoke(ctx, "/chassis.test.Levels/"+name, new(emptypb.Empty), new(emptypb.Empty))
}

func TestDialRepeatsByIdempotencyLevel(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failures int32 // then a try succeeds
		tries    int32
		want     codes.Code
	}{
		"Get": {2, 3, codes.OK},
		"Put": {3, 3, codes.Unavailable},
		"Pay": {1, 1, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			tries := c.failing(1, func(try int32) bool { return try <= test.failures })
			c.name(1)
			err := get(bounded(t), c.dial(), name)
			if status.Code(err) != test.want || tries.Load() != test.tries {
				t.Errorf("ends with %v after %d tries, want %s after %d", err, tries.Load(), test.want, test.tries)
			}
		})
	}
}

// TestDialStopsRepeatingWhileAllFails counts the calls that reach a service that never answers.
func TestDialStopsRepeatingWhileAllFails(t *testing.T) {
	t.Parallel()
	ctx, c := patient(t), newCluster(t)
	tries := c.failing(1, func(int32) bool { return true })
	c.name(1)
	connection := c.dial()
	const count = 300
	for range count {
		if err := get(ctx, connection, "Get"); status.Code(err) != codes.Unavailable {
			t.Fatalf("a call ends with %v, want UNAVAILABLE", err)
		}
	}
	if got := tries.Load(); got <= count || got > count+retryTokens/2 {
		t.Errorf("%d calls were tried %d times, want more than once at first, and at most %d times more", count, got, retryTokens/2)
	}
}
