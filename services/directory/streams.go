package main

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// maxStreams is less than the chassis lets one connection have (100), so that
	// checks get through when Envoy holds all streams in one.
	maxStreams = 64
	// maxSilence is long for a program that asks, and shorter than the chassis takes
	// to drain.
	maxSilence = 10 * time.Second
)

// limitStreams lets atMost streams be open at once, and ends those whose client is
// silent when it is its turn. Without the first, clients could fill the memory;
// without the second, a few that do nothing could keep all others out.
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

// RecvMsg fails with DEADLINE_EXCEEDED when nothing came for too long. The stream
// can't be used after that, and has to be ended, which also ends the wait.
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
