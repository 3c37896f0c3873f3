package chassis

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// heldCalls blocks calls until letGo is closed, and reports each that arrives on came.
type heldCalls struct{ came, letGo chan struct{} }

func newHeldCalls() heldCalls { return heldCalls{make(chan struct{}), make(chan struct{})} }

func (h heldCalls) unary(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	h.came <- struct{}{}
	select {
	case <-h.letGo:
		return &grpc_testing.SimpleResponse{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestMaxCallsRefusesWhatIsMore(t *testing.T) {
	t.Parallel()
	h := newHeldCalls()
	r := start(t, settings{maxCalls: 2}, handlers{unary: h.unary})
	client, ended := r.client(), make(chan error, 2)
	for range 2 { // the second time shows that there is room again
		for range 2 {
			go func() {
				_, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{})
				ended <- err
			}()
			<-h.came
		}
		if _, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("the third call at once = %v, want RESOURCE_EXHAUSTED", err)
		}
		reply, err := grpc_health_v1.NewHealthClient(r.dial()).Check(bounded(t), &grpc_health_v1.HealthCheckRequest{})
		if err != nil || reply.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("the health of a server without room = %v, %v, want SERVING", reply, err)
		}
		if stream, err := client.FullDuplexCall(bounded(t)); err != nil {
			t.Error(err)
		} else if _, err := stream.Recv(); err != nil {
			t.Errorf("a stream of a server without room ends with %v", err)
		}
		for range 2 {
			h.letGo <- struct{}{}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
}

func TestMaxCallsMakesRoomForAllEnds(t *testing.T) {
	t.Parallel()
	var end func() error
	r := start(t, settings{maxCalls: 1}, handlers{
		unary: func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
			return &grpc_testing.SimpleResponse{}, end()
		},
	})
	client := r.client()
	for name, outcome := range outcomes {
		end = outcome.end
		if _, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{}); status.Code(err) != outcome.code {
			t.Errorf("%s: the call after the one before = %v, want %v", name, err, outcome.code)
		}
	}
}

func TestWithoutMaxCallsNoneIsRefused(t *testing.T) {
	t.Parallel()
	const calls = 90 // fewer than streams of one connection
	h := newHeldCalls()
	client := start(t, settings{}, handlers{unary: h.unary}).client()
	ended := make(chan error, calls)
	for range calls {
		go func() {
			_, err := client.UnaryCall(bounded(t), &grpc_testing.SimpleRequest{})
			ended <- err
		}()
		<-h.came
	}
	close(h.letGo)
	for range calls {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
