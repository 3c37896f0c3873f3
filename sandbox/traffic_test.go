package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/sandbox/pulumi/stack"
	"example.com/grpc-edge/sandbox/tools"
)

// shop is a service with methods of each kind, as a descriptor.
const shop = `
name: "Shop"
method { name: "Get" options { idempotency_level: NO_SIDE_EFFECTS } }
method { name: "NoSample" options { idempotency_level: NO_SIDE_EFFECTS } }
method { name: "Watch" server_streaming: true options { idempotency_level: NO_SIDE_EFFECTS } }
method { name: "Upload" client_streaming: true options { idempotency_level: NO_SIDE_EFFECTS } }
method { name: "Put" options { idempotency_level: IDEMPOTENT } }
method { name: "Delete" }
`

func TestSamplesAreDeclaredSafe(t *testing.T) {
	t.Parallel()
	described := &descriptorpb.ServiceDescriptorProto{}
	if err := prototext.Unmarshal([]byte(shop), described); err != nil {
		t.Fatal(err)
	}
	ready := map[string]any{}
	for _, m := range described.GetMethod() {
		if m.GetName() != "NoSample" {
			ready["shop.v1.Shop/"+m.GetName()] = "grpcurl -cacert ca.pem 198.51.100.10:443 shop.v1.Shop/" + m.GetName()
		}
	}
	e, err := edgeOf(map[string]any{"address": "198.51.100.10", "grpcurl": ready}, "/repo/.sandbox")
	if err != nil {
		t.Fatal(err)
	}
	got := e.samples(map[string]*descriptorpb.ServiceDescriptorProto{"shop.v1.Shop": described})
	want := []sample{{"shop.v1.Shop/Get", ".cache/bin/grpcurl -cacert .sandbox/ca.pem 198.51.100.10:443 shop.v1.Shop/Get"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); diff != "" {
		t.Errorf("samples differ (-want +got):\n%s", diff)
	}
}

// TestServicesOfAFile checks that gRPC's own services, though described, need not work.
func TestServicesOfAFile(t *testing.T) {
	t.Parallel()
	set := &descriptorpb.FileDescriptorSet{}
	for _, pkg := range []string{"shop.v1", "", "grpc.health.v1", "grpc.reflection.v1alpha"} {
		set.File = append(set.File, &descriptorpb.FileDescriptorProto{
			Package: proto.String(pkg), Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Shop")}},
		})
	}
	content, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	outputs := map[string]any{"address": "198.51.100.10", "protoset": base64.StdEncoding.EncodeToString(content)}
	if err := writeFiles(outputs, dir); err != nil {
		t.Fatal(err)
	}
	e, err := edgeOf(outputs, dir)
	if err != nil {
		t.Fatal(err)
	}
	services, err := e.services(t.Context(), stack.Stack{Tools: tools.In(dir)})
	if diff := cmp.Diff([]string{"Shop", "shop.v1.Shop"}, slices.Sorted(maps.Keys(services))); diff != "" || err != nil {
		t.Errorf("services differ (-want +got): %v\n%s", err, diff)
	}
}

func TestEdgeOfAnEmptyStack(t *testing.T) {
	t.Parallel()
	if _, err := edgeOf(map[string]any{}, ""); err == nil {
		t.Error("a stack without outputs has an edge")
	}
}

// answers answers Check by service.
type answers map[string]struct {
	status healthpb.HealthCheckResponse_ServingStatus
	code   codes.Code
}

func (a answers) Check(_ context.Context, r *healthpb.HealthCheckRequest, _ ...grpc.CallOption) (*healthpb.HealthCheckResponse, error) {
	answer := a[r.GetService()]
	if answer.code != codes.OK {
		return nil, grpcstatus.Error(answer.code, "told so")
	}
	return &healthpb.HealthCheckResponse{Status: answer.status}, nil
}

func (answers) List(context.Context, *healthpb.HealthListRequest, ...grpc.CallOption) (*healthpb.HealthListResponse, error) {
	return nil, errors.ErrUnsupported
}

func (answers) Watch(context.Context, *healthpb.HealthCheckRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[healthpb.HealthCheckResponse], error) {
	return nil, errors.ErrUnsupported
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	const serving, not = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING
	for name, test := range map[string]struct {
		answers answers
		want    string
	}{
		"all serve":         {answers{"a": {status: serving}, "b": {status: serving}}, "[{a SERVING} {b SERVING}] <nil>"},
		"one does not":      {answers{"a": {status: serving}, "b": {status: not}}, "[] b is NOT_SERVING"},
		"one is not known":  {answers{"a": {status: serving}, "b": {code: codes.NotFound}}, "[] asking for the health of b: rpc error: code = NotFound desc = told so"},
		"no way":            {answers{"a": {code: codes.Unavailable}}, "[] asking for the health of a: rpc error: code = Unavailable desc = told so"},
		"health is off":     {answers{"a": {code: codes.Unimplemented}}, "[{the edge answers, but reports no health (Unimplemented)}] <nil>"},
		"strangers refused": {answers{"a": {code: codes.Unauthenticated}}, "[{the edge answers, but reports no health (Unauthenticated)}] <nil>"},
	} {
		lines, err := healthy(t.Context(), test.answers, []string{"a", "b"})
		if got := fmt.Sprint(lines, " ", err); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// TestUntilTellsTheLastRealError checks that a timeout does not replace the error of an earlier
// attempt.
func TestUntilTellsTheLastRealError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	err := until(ctx, func(ctx context.Context) error {
		if attempts++; attempts < 2 {
			return errors.New("api.Echo is NOT_SERVING")
		}
		cancel()
		return ctx.Err()
	})
	if attempts != 2 || err == nil || err.Error() != "api.Echo is NOT_SERVING" {
		t.Errorf("after %d attempts: %v, want the first one's error", attempts, err)
	}
	if err := until(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("a success is an error: %v", err)
	}
}

func TestMissingServices(t *testing.T) {
	t.Parallel()
	e := edge{ready: map[string]string{"shop.v1.Shop/Get": "", "shop.v1.Shop/Put": "", "api.Echo/Echo": "", "api.Reverse/Reverse": ""}}
	got := e.missing(map[string]*descriptorpb.ServiceDescriptorProto{"api.Echo": nil, "other.v1.WithoutCommands": nil})
	if want := []string{"api.Reverse", "shop.v1.Shop"}; !slices.Equal(got, want) {
		t.Errorf("missing = %q, want %q", got, want)
	}
}

func TestAuthorityOfAMethod(t *testing.T) {
	t.Parallel()
	e := edge{authority: "grpc.example.com", ready: map[string]string{"shop.v1.Shop/Get": "grpcurl -cacert ca.pem -authority partners.example.com -d '{}' 198.51.100.10:443 shop.v1.Shop/Get"}}
	for method, want := range map[string]string{"shop.v1.Shop/Get": "partners.example.com", "shop.v1.Shop/Put": "grpc.example.com"} {
		if got := e.authorityOf(method); got != want {
			t.Errorf("the authority of %s is %s, want %s", method, got, want)
		}
	}
}
