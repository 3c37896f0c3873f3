package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

func TestStreamsAreLimited(t *testing.T) {
	t.Parallel()
	conn := startDirectory(t, startBackend(t, anyPort).address)
	client := grpc_health_v1.NewHealthClient(conn)
	request := &grpc_health_v1.HealthCheckRequest{Service: served}
	callers := 0
	open := func() (cancel func(), err error) {
		callers++
		from := fmt.Sprintf("10.0.%d.%d", callers/256, callers%256)
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(bounded(t), "x-forwarded-for", from))
		watch, err := client.Watch(ctx, request)
		if err == nil {
			_, err = watch.Recv()
		}
		return cancel, err
	}
	var first func()
	for i := range maxStreams {
		cancel, err := open()
		if err != nil {
			t.Fatalf("stream %d of %d: %v", i+1, maxStreams, err)
		}
		if first == nil {
			first = cancel
		}
	}
	if _, err := open(); status.Code(err) != codes.Unimplemented {
		t.Errorf("one watch more ends with %v, want UNIMPLEMENTED, which clients take for healthy", err)
	}
	reflected, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reflected.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("reflection ends with %v, want RESOURCE_EXHAUSTED: it counts too", err)
	}
	if _, err := client.Check(bounded(t), request); err != nil {
		t.Errorf("Check() with all streams in use = %v, want no error", err)
	}
	first()
	eventually(t, "a stream once another has ended", func() bool {
		_, err := open()
		return err == nil
	})
}

// TestNobodyTakesAllStreams has one caller open as many watches as it gets.
func TestNobodyTakesAllStreams(t *testing.T) {
	t.Parallel()
	client := grpc_health_v1.NewHealthClient(startDirectory(t, startBackend(t, anyPort).address))
	watch := func(from string) (cancel func(), err error) {
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(bounded(t), "x-forwarded-for", from))
		stream, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: served})
		if err == nil {
			_, err = stream.Recv()
		}
		return cancel, err
	}
	left := maxStreams
	for _, greedy := range [][2]string{{"192.0.2.1", "192.0.2.1"}, {"2001:db8::1", "2001:db8:0:ff::2"}} { // of one network
		var first func()
		left /= 2
		for i := range left {
			cancel, err := watch(greedy[i%2])
			if err != nil {
				t.Fatalf("stream %d of %s: %v", i+1, greedy[0], err)
			}
			if first == nil {
				first = cancel
			}
		}
		if _, err := watch(greedy[0]); status.Code(err) != codes.Unimplemented {
			t.Errorf("a watch more of %s = %v, want UNIMPLEMENTED", greedy[0], err)
		}
		first()
		eventually(t, "a stream of the same caller once another has ended", func() bool {
			_, err := watch(greedy[0])
			return err == nil
		})
	}
	if _, err := watch("192.0.2.2"); err != nil {
		t.Errorf("a stream of another caller = %v, want no error", err)
	}
}

func TestLargeRequestsAreRefused(t *testing.T) {
	t.Parallel()
	client := grpc_health_v1.NewHealthClient(startDirectory(t, startBackend(t, anyPort).address))
	_, err := client.Check(bounded(t), &grpc_health_v1.HealthCheckRequest{Service: strings.Repeat("x", maxRequest+1)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a request of more than %d bytes = %v, want RESOURCE_EXHAUSTED", maxRequest, err)
	}
}

// silentStream is one whose client sends and reads nothing until the stream ends.
type silentStream struct {
	grpc.ServerStream
	ended chan struct{}
}

// Context returns that of a call.
func (s silentStream) Context() context.Context { return context.Background() }

// RecvMsg waits for the end.
func (s silentStream) RecvMsg(any) error {
	<-s.ended
	return nil
}

// SendMsg waits for the end.
func (s silentStream) SendMsg(any) error {
	<-s.ended
	return nil
}

func TestSilentClientsAreLeft(t *testing.T) {
	t.Parallel()
	stream := silentStream{ended: make(chan struct{})}
	defer close(stream.ended)
	limited := limitStreams(1, time.Millisecond)
	for _, handler := range []grpc.StreamHandler{ // the second shows that the first is no longer counted
		func(_ any, stream grpc.ServerStream) error { return stream.RecvMsg(nil) },
		func(_ any, stream grpc.ServerStream) error { return stream.SendMsg(nil) },
	} {
		if err := limited(nil, stream, &grpc.StreamServerInfo{}, handler); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a stream with a silent client ends with %v, want DEADLINE_EXCEEDED", err)
		}
	}
}
