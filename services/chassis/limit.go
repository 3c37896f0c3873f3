package chassis

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// limitCalls refuses unary calls at once while so many are under way, so that those
// that were accepted stay as fast as they are with that many; 0 refuses none.
//
// RESOURCE_EXHAUSTED is what gRPC has for a server that is out of resources for a
// while (doc/statuscodes.md). UNAVAILABLE would have Envoy take a pod that is busy for
// one that is broken, and callers repeat at once what there is no room for.
//
// A stream is not counted, as it may be idle for hours; nor is a health check, which
// would make a pod that is busy one that is sick.
func limitCalls(most int) grpc.UnaryServerInterceptor {
	room := make(chan struct{}, most)
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if most == 0 || strings.HasPrefix(info.FullMethod, "/"+grpc_health_v1.Health_ServiceDesc.ServiceName+"/") {
			return handler(ctx, request)
		}
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
			return handler(ctx, request)
		default:
			return nil, status.Errorf(codes.ResourceExhausted, "%d calls are under way in this pod, and no more are taken; try again later", most)
		}
	}
}
