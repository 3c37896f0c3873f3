package main

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// maxStreams is less than the chassis's limit for one connection (100), so that
	// checks get through when Envoy holds all streams in one.
	maxStreams = 64
	// maxSilence is long for a program that sends requests, and shorter than the
	// chassis's drain.
	maxSilence = 10 * time.Second
)

// limitStreams limits the number of open streams to atMost, and ends streams whose client
// is silent when it should send. Without the limit, clients could fill the memory.
// Without the timeout, a few idle clients could keep all others out.
func limitStreams(atMost int, silence time.Duration) grpc.StreamServerInterceptor {
	open := make(chan struct{}, atMost)
	return func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		select {
		case open <- struct{}{}:
			defer func() { <-open }()
			return handler(service, patientStream{stream, silence})
		default:
			return status.Errorf(codes.ResourceExhausted, "all %d streams are in use", atMost)
		}
	}
}

// patientStream is a stream that does not wait forever for its client.
type patientStream struct {
	grpc.ServerStream
	silence time.Duration
}

// RecvMsg fails with DEADLINE_EXCEEDED when nothing came for too long. The stream can't
// be used after that. The handler must end it, which also ends the wait.
func (s patientStream) RecvMsg(message any) error {
	received := make(chan error, 1)
	go func() { received <- s.ServerStream.RecvMsg(message) }()
	timer := time.NewTimer(s.silence)
	defer timer.Stop()
	select {
	case err := <-received:
		return err
	case <-timer.C:
		return status.Errorf(codes.DeadlineExceeded, "nothing was sent for %s", s.silence)
	}
}
