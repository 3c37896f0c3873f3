package chassis

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

// unhealthy is a health server that reports NOT_SERVING for every name.
type unhealthy struct {
	grpc_health_v1.UnimplementedHealthServer
}

var notServing = &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING}

// Check reports NOT_SERVING once.
func (unhealthy) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return notServing, nil
}

// Watch reports NOT_SERVING, and stays open.
func (unhealthy) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	if err := stream.Send(notServing); err != nil {
		return err
	}
	<-stream.Context().Done()
	return status.FromContextError(stream.Context().Err()).Err()
}

func TestWithHealthReplacesAllNamesButTheEmptyOne(t *testing.T) {
	t.Parallel()
	r := start(t, settings{termination: termination{wait: time.Second, drain: timeout / 2}}, handlers{}, WithHealth(unhealthy{}))
	health := grpc_health_v1.NewHealthClient(r.dial())
	var own, named grpc_health_v1.Health_WatchClient
	for _, test := range []struct {
		service string
		want    grpc_health_v1.HealthCheckResponse_ServingStatus
		watch   *grpc_health_v1.Health_WatchClient
	}{
		{"", grpc_health_v1.HealthCheckResponse_SERVING, &own},
		{serviceName, grpc_health_v1.HealthCheckResponse_NOT_SERVING, &named},
	} {
		request := &grpc_health_v1.HealthCheckRequest{Service: test.service}
		if reply, err := health.Check(bounded(t), request); err != nil || reply.GetStatus() != test.want {
			t.Errorf("Check(%q) = %v, %v, want %v", test.service, reply, err, test.want)
		}
		watch, err := health.Watch(bounded(t), request)
		if err != nil {
			t.Fatal(err)
		}
		expectWatch(t, watch, test.want)
		*test.watch = watch
	}

	r.sigterm()
	expectWatch(t, own, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if _, err := named.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("when the server drains, the watch of a name ends with %v, want CANCELLED", err)
	}
}

// others are services that the server does not serve.
type others struct{}

// GetServiceInfo names one.
func (others) GetServiceInfo() map[string]grpc.ServiceInfo {
	return map[string]grpc.ServiceInfo{"some.Other": {}}
}

func TestWithReflectionDescribesWhatItIsGiven(t *testing.T) {
	t.Parallel()
	conn := start(t, settings{}, handlers{}, WithReflection(reflection.ServerOptions{Services: others{}})).dial()
	for _, version := range []string{"v1", "v1alpha"} {
		if got := listServices(t, conn, version); !slices.Equal(got, []string{"some.Other"}) {
			t.Errorf("reflection %s lists %v, want some.Other alone", version, got)
		}
	}
}

func TestWithStreamInterceptorWrapsEveryStream(t *testing.T) {
	t.Parallel()
	refuse := func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
		return status.Error(codes.ResourceExhausted, "no more")
	}
	r := start(t, settings{}, handlers{}, WithStreamInterceptor(refuse))
	watch, err := grpc_health_v1.NewHealthClient(r.dial()).Watch(bounded(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a health watch ends with %v, want what the interceptor returned", err)
	}
	stream, err := r.client().FullDuplexCall(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a stream of the service ends with %v, want what the interceptor returned", err)
	}
}
