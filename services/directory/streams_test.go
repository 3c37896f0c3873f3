package main

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

func TestStreamsAreLimited(t *testing.T) {
	t.Parallel()
	conn := startDirectory(t, startBackend(t, anyPort).address)
	client := grpc_health_v1.NewHealthClient(conn)
	request := &grpc_health_v1.HealthCheckRequest{Service: served}
	open := func() (cancel func(), err error) {
		ctx, cancel := context.WithCancel(bounded(t))
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
	if _, err := open(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one stream more ends with %v, want RESOURCE_EXHAUSTED", err)
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

// silentStream is one whose client sends nothing until the stream ends.
type silentStream struct {
	grpc.ServerStream
	ended chan struct{}
}

// RecvMsg waits for the end.
func (s silentStream) RecvMsg(any) error {
	<-s.ended
	return nil
}

func TestSilentClientsAreLeft(t *testing.T) {
	t.Parallel()
	stream := silentStream{ended: make(chan struct{})}
	defer close(stream.ended)
	handler := func(_ any, stream grpc.ServerStream) error { return stream.RecvMsg(nil) }
	limited := limitStreams(1, time.Millisecond)
	for range 2 { // the second shows that the first is no longer counted
		if err := limited(nil, stream, nil, handler); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a stream with a silent client ends with %v, want DEADLINE_EXCEEDED", err)
		}
	}
}
