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
	// maxStreams bounds the memory of a pod. Envoy puts at most 100 of them on a connection.
	maxStreams = 256
	// maxCallerStreams is the number of these that one caller may hold, as health watches last
	// as long as their client wants. Many clients may have one address, and those that check
	// health hold a watch for each of their connections (gRFC A17).
	maxCallerStreams = 64
	// maxRequest is more than any request of health or reflection, which hold a name.
	maxRequest = 64 << 10
	// maxSilence is long for a program that sends requests, and shorter than the
	// chassis's drain.
	maxSilence = 10 * time.Second
)

// limitStreams limits the number of open streams of all callers and of each, and ends streams
// whose client is silent when it should send. Without the limits, clients could fill the
// memory, or keep all others out. Without the timeout, idle clients could.
func limitStreams(atMost, each int, silence time.Duration) grpc.StreamServerInterceptor {
	open := &chassis.Shares{What: "streams", Most: atMost, Each: each}
	return func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		who := chassis.Caller(stream.Context())
		if err := open.Take(who, 1); err != nil {
			if info.FullMethod == grpc_health_v1.Health_Watch_FullMethodName {
				// Clients that check health take any other error for an unhealthy server, and
				// fail all their calls (gRFC A17).
				return status.Error(codes.Unimplemented, status.Convert(err).Message())
			}
			return err
		}
		defer open.Give(who, 1)
		return handler(service, patientStream{stream, silence})
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
