package main

import (
	"context"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/services/chassis/chassistest"
)

const (
	serving    = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	unknown    = grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
)

// closedAddress returns an address where nothing listens.
func closedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// silentAddress returns an address that accepts connections and never answers.
func silentAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestHealthByName(t *testing.T) {
	t.Parallel()
	unhealthy := startBackend(t, anyPort)
	unhealthy.SetServingStatus("", notServing)
	naming := startBackend(t, anyPort)
	naming.SetServingStatus(served, notServing)
	for name, test := range map[string]struct {
		target string
		want   grpc_health_v1.HealthCheckResponse_ServingStatus
	}{
		"does not know the name": {startBackend(t, anyPort).address, serving},
		"not serving":            {unhealthy.address, notServing},
		"only the name is not":   {naming.address, serving},
		"unreachable":            {closedAddress(t), notServing},
		"silent":                 {silentAddress(t), notServing},
		"no such host":           {"dns:///no-such-host.invalid.:1", notServing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := grpc_health_v1.NewHealthClient(startDirectory(t, test.target))
			for service, want := range map[string]grpc_health_v1.HealthCheckResponse_ServingStatus{
				"": serving, served: test.want, other: unknown, "no.Such": unknown,
			} {
				request := &grpc_health_v1.HealthCheckRequest{Service: service}
				reply, err := client.Check(bounded(t), request)
				if want == unknown {
					if status.Code(err) != codes.NotFound {
						t.Errorf("Check(%q) = %v, %v, want NOT_FOUND", service, reply, err)
					}
				} else if err != nil || reply.GetStatus() != want {
					t.Errorf("Check(%q) = %v, %v, want %v", service, reply, err, want)
				}
				watch, err := client.Watch(bounded(t), request)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, watch, want)
			}
			list, err := client.List(bounded(t), &grpc_health_v1.HealthListRequest{})
			if names := slices.Collect(maps.Keys(list.GetStatuses())); err != nil || !slices.Equal(names, []string{""}) {
				t.Errorf("List() has %q, %v, want the empty name alone", names, err)
			}
		})
	}
}

func expect(t *testing.T, watch grpc_health_v1.Health_WatchClient, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	if reply, err := watch.Recv(); err != nil || reply.GetStatus() != want {
		t.Fatalf("the watch has %v, %v, want %v", reply, err, want)
	}
}

func TestWatchFollowsTheBackend(t *testing.T) {
	t.Parallel()
	b := startBackend(t, anyPort)
	client := grpc_health_v1.NewHealthClient(startDirectory(t, b.address))
	watch, err := client.Watch(bounded(t), &grpc_health_v1.HealthCheckRequest{Service: served})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, watch, serving)
	b.SetServingStatus("", notServing)
	expect(t, watch, notServing)
	b.SetServingStatus("", serving)
	expect(t, watch, serving)
	b.stop()
	expect(t, watch, notServing)
	startBackend(t, b.address)
	expect(t, watch, serving)
}

func TestCheckKeepsTheCallersDeadline(t *testing.T) {
	t.Parallel()
	h, err := connect(map[protoreflect.FullName]string{served: silentAddress(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	past, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	reply, err := h.Check(past, &grpc_health_v1.HealthCheckRequest{Service: served})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("Check() of a caller who is late = %v, %v, want DEADLINE_EXCEEDED", reply, err)
	}
}

func TestServingWhileOneServerIs(t *testing.T) {
	t.Parallel()
	servers := []*backend{startBackend(t, anyPort), startBackend(t, anyPort)}
	names := manual.NewBuilderWithScheme("two-servers")
	names.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: servers[0].address}, {Addr: servers[1].address}}})
	resolver.Register(names)
	h, err := connect(map[protoreflect.FullName]string{served: "two-servers:///"})
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	is := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) func() bool {
		return func() bool {
			reply, err := h.Check(bounded(t), &grpc_health_v1.HealthCheckRequest{Service: served})
			return err == nil && reply.GetStatus() == want
		}
	}
	eventually(t, "serving with two servers", is(serving))
	servers[0].SetServingStatus("", notServing)
	eventually(t, "serving with one of two servers", is(serving))
	servers[1].SetServingStatus("", notServing)
	eventually(t, "not serving with none of two servers", is(notServing))
	servers[0].SetServingStatus("", serving)
	eventually(t, "serving again", is(serving))
}

// TestPodsThatComeCount has a new pod take over from one whose connections last.
func TestPodsThatComeCount(t *testing.T) {
	t.Parallel()
	names := chassistest.StartDNS(t)
	first := startBackend(t, "127.0.0.21:0")
	_, port, err := net.SplitHostPort(first.address)
	if err != nil {
		t.Fatal(err)
	}
	names.Set("127.0.0.21")
	client := grpc_health_v1.NewHealthClient(startDirectory(t, names.Target("shop.example.", port)))
	is := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) func() bool {
		return func() bool {
			reply, err := client.Check(bounded(t), &grpc_health_v1.HealthCheckRequest{Service: served})
			return err == nil && reply.GetStatus() == want
		}
	}
	eventually(t, "serving with the first pod", is(serving))
	startBackend(t, "127.0.0.22:"+port)
	names.Set("127.0.0.21", "127.0.0.22")
	first.SetServingStatus("", notServing)
	eventually(t, "serving with the second pod", is(serving))
}
