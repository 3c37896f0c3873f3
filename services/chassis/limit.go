package chassis

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// limitCalls refuses further unary calls at once while the maximum is under way, so that
// the accepted ones stay fast; 0 is no limit.
//
// RESOURCE_EXHAUSTED is gRPC's code for a server that is temporarily out of resources
// (doc/statuscodes.md). With UNAVAILABLE, Envoy would take a busy pod for a broken one,
// and callers would retry at once.
//
// One caller gets at most three quarters, so that one with slow calls leaves room for others.
//
// Streams do not count, since they may be idle for hours. Health checks do not count
// either, or a busy pod would be reported unhealthy.
func limitCalls(most int) grpc.UnaryServerInterceptor {
	room := &Shares{What: "calls at once", Most: most, Times: 3}
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if most == 0 || strings.HasPrefix(info.FullMethod, "/"+grpc_health_v1.Health_ServiceDesc.ServiceName+"/") {
			return handler(ctx, request)
		}
		from := Caller(ctx)
		if err := room.Acquire(from, 1); err != nil {
			return nil, status.Error(codes.ResourceExhausted, "this pod is busy: "+status.Convert(err).Message()+"; try again later")
		}
		defer room.Release(from, 1)
		return handler(ctx, request)
	}
}
