package chassis

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

func TestTerminationSplitsTheBudget(t *testing.T) {
	t.Parallel()
	for budget, want := range map[time.Duration]termination{
		25 * time.Second:    {wait: 10 * time.Second, drain: 12500 * time.Millisecond, flush: 2500 * time.Millisecond},
		time.Second:         {wait: 400 * time.Millisecond, drain: 500 * time.Millisecond, flush: 100 * time.Millisecond},
		7 * time.Nanosecond: {wait: 2, drain: 5, flush: 0},
	} {
		got := splitBudget(budget)
		if got != want || got.wait+got.drain+got.flush != budget {
			t.Errorf("a budget of %s is split into %+v, want %+v", budget, got, want)
		}
	}
}

// holding returns a handler that signals when it is entered, and returns when told.
func holding() (h handlers, entered, release chan struct{}) {
	entered, release = make(chan struct{}), make(chan struct{})
	h.unary = func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
		close(entered)
		<-release
		return &grpc_testing.SimpleResponse{Username: "held"}, nil
	}
	return h, entered, release
}

// result holds the result of a call.
type result struct {
	reply *grpc_testing.SimpleResponse
	err   error
}

func (r *running) call(t *testing.T) <-chan result {
	client, results := r.client(), make(chan result, 1)
	ctx := bounded(t)
	go func() {
		reply, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
		results <- result{reply, err}
	}()
	return results
}

func TestStopTakesLeaveBeforeItLeaves(t *testing.T) {
	t.Parallel()
	h, entered, release := holding()
	r := start(t, settings{termination: termination{wait: time.Second, drain: timeout / 2}}, h)

	watch, err := grpc_health_v1.NewHealthClient(r.dial()).Watch(bounded(t),
		&grpc_health_v1.HealthCheckRequest{Service: serviceName})
	if err != nil {
		t.Fatal(err)
	}
	expectWatch(t, watch, grpc_health_v1.HealthCheckResponse_SERVING)
	underWay := r.call(t)
	<-entered

	r.sigterm()
	expectWatch(t, watch, grpc_health_v1.HealthCheckResponse_NOT_SERVING)

	// Load balancers have not noticed yet: new connections and calls are taken.
	late := grpc_testing.NewTestServiceClient(r.dial())
	stream, err := late.FullDuplexCall(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Errorf("a new call right after NOT_SERVING = %v, want no error", err)
	}

	// The drain begins with closing the listener and the watches.
	if _, err := watch.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the watch ends with %v, want CANCELLED", err)
	}
	waitUntilRefused(t, r.address)

	close(release)
	if got := <-underWay; got.err != nil || got.reply.GetUsername() != "held" {
		t.Errorf("the call under way ends with %v, %v, want its reply", got.reply, got.err)
	}
	r.stop()
	if logs := r.logs.String(); !strings.Contains(logs, `"stopped"`) || strings.Contains(logs, "cut") {
		t.Errorf("the log tells of cut calls:\n%s", logs)
	}
}

func expectWatch(
	t *testing.T, watch grpc_health_v1.Health_WatchClient, want grpc_health_v1.HealthCheckResponse_ServingStatus,
) {
	t.Helper()
	if reply, err := watch.Recv(); err != nil || reply.GetStatus() != want {
		t.Fatalf("the watch has %v, %v, want %v", reply, err, want)
	}
}

func waitUntilRefused(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(timeout); ; {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("new connections are still accepted")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStopCutsCallsThatOutliveTheBudget(t *testing.T) {
	t.Parallel()
	h, entered, release := holding() // it ignores its context
	defer close(release)
	const drain = 200 * time.Millisecond
	r := start(t, settings{termination: termination{drain: drain}}, h)
	underWay := r.call(t)
	<-entered

	began := time.Now()
	r.stop()
	if took := time.Since(began); took < drain || took > timeout/2 {
		t.Errorf("stopping took %s, want about %s", took, drain)
	}
	if got := <-underWay; status.Code(got.err) != codes.Unavailable {
		t.Errorf("the call that was cut ends with %v, want UNAVAILABLE", got.err)
	}
	if !strings.Contains(r.logs.String(), "calls cut") {
		t.Errorf("the log does not tell of the cut call:\n%s", r.logs)
	}
}

func TestStopCancelsTheContextOfCutStreams(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	r := start(t, settings{termination: termination{drain: 100 * time.Millisecond}}, handlers{
		stream: func(stream grpc_testing.TestService_FullDuplexCallServer) error {
			if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			<-stream.Context().Done()
			ended <- stream.Context().Err()
			return nil
		},
	})
	stream, err := r.client().FullDuplexCall(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	r.stop()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the stream's context ended with %v, want cancelled", err)
		}
	case <-time.After(timeout):
		t.Error("the stream's handler was not told that its call is cut")
	}
}
