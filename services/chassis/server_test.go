package chassis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	health := grpc_health_v1.NewHealthClient(start(t, settings{}, handlers{}).dial())
	for _, test := range []struct {
		service string
		check   codes.Code
		watch   grpc_health_v1.HealthCheckResponse_ServingStatus
	}{
		{"", codes.OK, grpc_health_v1.HealthCheckResponse_SERVING},
		{serviceName, codes.OK, grpc_health_v1.HealthCheckResponse_SERVING},
		{"no.Such", codes.NotFound, grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN},
	} {
		request := &grpc_health_v1.HealthCheckRequest{Service: test.service}
		reply, err := health.Check(bounded(t), request)
		if status.Code(err) != test.check || err == nil && reply.GetStatus() != test.watch {
			t.Errorf("Check(%q) = %v, %v, want code %v", test.service, reply, err, test.check)
		}
		watch, err := health.Watch(bounded(t), request)
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := watch.Recv(); err != nil || reply.GetStatus() != test.watch {
			t.Errorf("Watch(%q) first sends %v, %v, want %v", test.service, reply, err, test.watch)
		}
	}
}

func TestReflectionListsServices(t *testing.T) {
	t.Parallel()
	conn := start(t, settings{}, handlers{}).dial()
	for _, version := range []string{"v1", "v1alpha"} {
		names := listServices(t, conn, version)
		if !slices.Contains(names, serviceName) || !slices.Contains(names, "grpc.health.v1.Health") {
			t.Errorf("reflection %s lists %v, want %s and health", version, names, serviceName)
		}
	}
}

// listServices asks a version of reflection; both have the same messages.
func listServices(t *testing.T, conn *grpc.ClientConn, version string) []string {
	t.Helper()
	stream, err := conn.NewStream(bounded(t), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		"/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
	if err != nil {
		t.Fatal(err)
	}
	request := &grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}
	if err := stream.SendMsg(request); err != nil {
		t.Fatal(err)
	}
	reply := &grpc_reflection_v1.ServerReflectionResponse{}
	if err := stream.RecvMsg(reply); err != nil {
		t.Fatalf("reflection %s: %v", version, err)
	}
	var names []string
	for _, service := range reply.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	return names
}

func TestMessageTooLarge(t *testing.T) {
	t.Parallel()
	r := start(t, settings{}, handlers{
		unary: func(_ context.Context, request *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			return &grpc_testing.SimpleResponse{Payload: payload(int(request.GetResponseSize()))}, nil
		},
	})
	client := r.client()
	for _, test := range []struct {
		request, response int
		want              codes.Code
	}{
		{maxMessageBytes - 100, 0, codes.OK},
		{maxMessageBytes + 1, 0, codes.ResourceExhausted},
		{0, maxMessageBytes - 100, codes.OK},
		{0, maxMessageBytes + 1, codes.ResourceExhausted},
	} {
		_, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{
			Payload: payload(test.request), ResponseSize: int32(test.response),
		})
		if status.Code(err) != test.want {
			t.Errorf("a request of %d bytes with a response of %d ends with %v, want %v",
				test.request, test.response, err, test.want)
		}
	}
}

func payload(size int) *grpc_testing.Payload {
	return &grpc_testing.Payload{Body: make([]byte, size)}
}

// until returns a handler that sends a message and then ignores its caller until it is released.
func until(release <-chan struct{}) func(grpc_testing.TestService_FullDuplexCallServer) error {
	return func(stream grpc_testing.TestService_FullDuplexCallServer) error {
		if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-release
		return nil
	}
}

func TestConcurrentStreamsAreLimited(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	r := start(t, settings{}, handlers{stream: until(release)})
	client := r.client()
	for range maxConcurrentStreams {
		stream, err := client.FullDuplexCall(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := client.UnaryCall(short, &grpc_testing.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("one call more than the limit on one connection = %v, want DEADLINE_EXCEEDED", err)
	}
	close(release)
	if _, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("a call once the others are done = %v, want no error", err)
	}
}

// TestCancelledCallsStallNobody has handlers that outlive their cancelled calls, more than Envoy puts on
// one connection.
func TestCancelledCallsStallNobody(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	r := start(t, settings{}, handlers{stream: until(release)})
	client := r.client()
	for range 250 {
		ctx, cancel := context.WithCancel(bounded(t))
		stream, err := client.FullDuplexCall(ctx)
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if _, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("a call beside handlers of cancelled ones = %v, want no error", err)
	}
}

func TestTooManyPingsAreRefused(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", start(t, settings{}, handlers{}).address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	for range 5 { // grpc-go forgives two
		if err := framer.WritePing(false, [8]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("reading frames until GOAWAY: %v", err)
		}
		if goAway, ok := frame.(*http2.GoAwayFrame); ok {
			if goAway.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY has %v, want ENHANCE_YOUR_CALM", goAway.ErrCode)
			}
			return
		}
	}
}

// TestUnreadStreamKeepsOneWindow has a handler stop reading, on a connection that was busy before.
func TestUnreadStreamKeepsOneWindow(t *testing.T) {
	t.Parallel()
	const warm, size = 2048, 32 << 10
	r := start(t, settings{}, handlers{stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
		for range warm {
			if _, err := stream.Recv(); err != nil {
				return err
			}
		}
		if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}})
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	stream, err := r.client().FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	message := &grpc_testing.StreamingOutputCallRequest{Payload: &grpc_testing.Payload{Body: make([]byte, size)}}
	for range warm {
		if err := stream.Send(message); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Second, cancel).Stop() // Send does not return any more
	unread := 0
	message.Payload.Body = make([]byte, 16<<10)
	for stream.Send(message) == nil {
		unread += len(message.Payload.Body)
	}
	// The client keeps about as much itself before it blocks.
	if unread > 4*window {
		t.Errorf("%d bytes of a stream that nobody reads were sent, want one window", unread)
	}
}
