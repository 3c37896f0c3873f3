package main

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/services/chassis"
)

const (
	// maxStreams bounds the memory of a pod. Health watches last as long as their client wants, so
	// callers share these streams. Many clients may have one address, and those that check health
	// hold a watch for each of their connections (gRFC A17).
	maxStreams = 256
	// maxRequest is more than any request of health or reflection, which hold a name.
	maxRequest = 64 << 10
	// maxSilence is long for a program that sends requests, and shorter than the
	// chassis's drain.
	maxSilence = 10 * time.Second
)

// limitStreams limits the number of open streams of all callers and of each, and ends streams
// whose client is silent when it should send, or does not read. Without the limits, clients could fill the
// memory, or keep all others out. Without the timeout, idle clients could.
func limitStreams(atMost int, silence time.Duration) grpc.StreamServerInterceptor {
	open := &chassis.Shares{What: "streams", Most: atMost}
	return func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		who := chassis.Caller(stream.Context())
		if err := open.Acquire(who, 1); err != nil {
			if info.FullMethod == grpc_health_v1.Health_Watch_FullMethodName {
				// Clients that check health take any other error for an unhealthy server, and
				// fail all their calls (gRFC A17).
				return status.Error(codes.Unimplemented, status.Convert(err).Message())
			}
			return err
		}
		defer open.Release(who, 1)
		return handler(service, patientStream{stream, silence})
	}
}

// patientStream is a stream that does not wait forever for its client. It can't be used once it has
// waited too long: the handler must end it, which also ends the wait.
type patientStream struct {
	grpc.ServerStream
	silence time.Duration
}

// RecvMsg fails with DEADLINE_EXCEEDED when nothing came for too long.
func (s patientStream) RecvMsg(message any) error {
	return s.wait("sent", func() error { return s.ServerStream.RecvMsg(message) })
}

// SendMsg fails with DEADLINE_EXCEEDED when nothing was read for too long.
func (s patientStream) SendMsg(message any) error {
	return s.wait("read", func() error { return s.ServerStream.SendMsg(message) })
}

func (s patientStream) wait(what string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	timer := time.NewTimer(s.silence)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return status.Errorf(codes.DeadlineExceeded, "nothing was %s for %s", what, s.silence)
	}
}
