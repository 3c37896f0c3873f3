package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // lets connections watch the health of servers
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/services/chassis"
)

const (
	// maxWait is the time for a check to find a backend serving, and for a server
	// to take a connection. A caller may wait for less.
	maxWait = 2 * time.Second
	// pingInterval is the interval of keepalive pings to a silent server. It is the
	// minimum that grpc-go's clients allow, and above the chassis's minimum.
	pingInterval = 10 * time.Second
	// maxDelay is the maximum delay of a reconnect to a server that is back.
	maxDelay = 5 * time.Second
	// resolveInterval is the interval of DNS lookups. grpc-go by itself looks a name up again
	// only when a connection breaks, and one without an address after up to 2 minutes: pods
	// that have come since would not count (grpc-go, internal/resolver/dns).
	resolveInterval = 5 * time.Second
)

// watchHealth is the service config of a connection to all servers of a backend. It asks
// them for the empty name, as Envoy and Kubernetes do: servers need to know no other
// (docs/contract.md).
const watchHealth = `{"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}`

// health answers health checks for the services of other programs. A connection to all
// servers of a backend is ready while at least one of them is healthy (gRPC, A17
// "Client-Side Health Checking"). All services of the backend are then healthy.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	backends map[protoreflect.FullName]*grpc.ClientConn
}

// connect begins to watch the servers at all targets.
func connect(targets map[protoreflect.FullName]string) (*health, error) {
	retry := backoff.DefaultConfig
	retry.MaxDelay = maxDelay
	h := &health{backends: map[protoreflect.FullName]*grpc.ClientConn{}}
	byTarget := map[string]*grpc.ClientConn{}
	var failed []error
	for service, target := range targets {
		if conn, found := byTarget[target]; found {
			h.backends[service] = conn
			continue
		}
		conn, err := grpc.NewClient(target,
			chassis.PollDNS(resolveInterval),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultServiceConfig(watchHealth),
			grpc.WithDisableServiceConfig(), // the one that DNS may have
			grpc.WithNoProxy(),
			grpc.WithIdleTimeout(0), // never: no call is made that would wake it
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: maxWait}),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: maxWait}),
		)
		if err != nil {
			failed = append(failed, fmt.Errorf("BACKENDS has %s with the target %q: %w", service, target, err))
			continue
		}
		conn.Connect()
		byTarget[target], h.backends[service] = conn, conn
	}
	if err := errors.Join(failed...); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *health) close() {
	for _, conn := range h.backends {
		conn.Close()
	}
}

// Check reports whether a service is served, within maxWait.
func (h *health) Check(
	ctx context.Context, r *grpc_health_v1.HealthCheckRequest,
) (*grpc_health_v1.HealthCheckResponse, error) {
	conn, found := h.backends[protoreflect.FullName(r.GetService())]
	if !found {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	_, serving, err := settle(ctx, conn)
	if err != nil {
		return nil, err
	}
	return response(serving), nil
}

// Watch reports whether a service is served, now and whenever that changes.
func (h *health) Watch(r *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	ctx := stream.Context()
	conn, found := h.backends[protoreflect.FullName(r.GetService())]
	if !found {
		// It stays open: the protocol allows for services that come later.
		err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN})
		if err == nil {
			<-ctx.Done()
			err = status.FromContextError(ctx.Err()).Err()
		}
		return err
	}
	for sent, last := false, false; ; {
		state, serving, err := settle(ctx, conn)
		if err != nil {
			return err
		}
		if !sent || serving != last {
			if err := stream.Send(response(serving)); err != nil {
				return err
			}
			sent, last = true, serving
		}
		if !conn.WaitForStateChange(ctx, state) {
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// settle waits, for at most maxWait, until it is known whether a backend serves. If
// that stays unknown, the backend counts as not serving. The error is that of ctx.
func settle(ctx context.Context, conn *grpc.ClientConn) (connectivity.State, bool, error) {
	wait, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	for {
		state := conn.GetState()
		if state == connectivity.Ready || state == connectivity.TransientFailure {
			return state, state == connectivity.Ready, nil
		}
		if !conn.WaitForStateChange(wait, state) {
			return state, false, status.FromContextError(ctx.Err()).Err()
		}
	}
}

func response(serving bool) *grpc_health_v1.HealthCheckResponse {
	if serving {
		return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING}
}
