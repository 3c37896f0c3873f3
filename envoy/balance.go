package envoy

import (
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	lbcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/common/v3"
	leastrequestv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/least_request/v3"
	roundrobinv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/load_balancing_policies/round_robin/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// slowStart is for how long a pod that has just become healthy gets less than
// its part of the calls, at first a tenth, where calls go to pods in turn.
const slowStart = 10 * time.Second

// A pod is ejected, which is to get no calls for a while, after so many calls
// in a row that it did not take, broke off, or answered with nothing but the status
// UNAVAILABLE or DEADLINE_EXCEEDED (Trailers-Only; gRPC over HTTP2, "Responses"). Other
// errors can be the caller's doing, who could eject pods with them. A deadline is too:
// [moveDeadline] keeps it from the libraries of backends, and services/chassis sends
// headers before the status. Envoy has no setting for it: its error_matcher is not asked
// about gRPC, and a reset by a pod counts as a connection that failed (both seen with
// 1.39.1).
//
// At most half of the pods can be ejected, and so never the only one. Each time
// a pod is ejected it is for one ejectionTime longer than before, up to ejectionMost.
const (
	failuresToEject = 5
	ejectionTime    = 30 * time.Second
	ejectionMost    = 5 * time.Minute
	ejectionSweep   = 5 * time.Second
	ejectedPercent  = 50
)

// balancing takes pods in turn, or the least busy of all.
//
// By default Envoy looks for the least busy among two at random, which may be the
// same one twice: of three pods, one that never answers would get a ninth of the
// calls for ever. Backends have a few pods, and looking at all is cheap. It does so
// only without slow start, which makes it go by weights (seen with Envoy 1.39.1: the
// pod got 7 of 60 calls instead of 1). A new pod that is slow at first needs none: it
// has calls under way, and so gets fewer.
func balancing(c Config, backend Backend) *clusterv3.LoadBalancingPolicy {
	extension := &corev3.TypedExtensionConfig{
		Name: "envoy.load_balancing_policies.round_robin",
		TypedConfig: typed(&roundrobinv3.RoundRobin{
			SlowStartConfig:  &lbcommonv3.SlowStartConfig{SlowStartWindow: durationpb.New(slowStart)},
			LocalityLbConfig: preferOwnZone(backend),
		}),
	}
	if c.LeastRequest {
		extension = &corev3.TypedExtensionConfig{
			Name: "envoy.load_balancing_policies.least_request",
			TypedConfig: typed(&leastrequestv3.LeastRequest{
				SelectionMethod:  leastrequestv3.LeastRequest_FULL_SCAN,
				LocalityLbConfig: preferOwnZone(backend),
			}),
		}
	}
	return &clusterv3.LoadBalancingPolicy{Policies: []*clusterv3.LoadBalancingPolicy_Policy{{TypedExtensionConfig: extension}}}
}

// healthyOnly calls only pods that are healthy, even if none is left: the call
// then fails at once. By default Envoy calls all pods, sick ones too, when fewer
// than half are healthy, but here a sick pod has said that it does not serve or
// does not answer at all.
func healthyOnly() *clusterv3.Cluster_CommonLbConfig {
	return &clusterv3.Cluster_CommonLbConfig{
		HealthyPanicThreshold: &typev3.Percent{Value: 0},
		// By default what is known of a pod's health may wait a second to take
		// effect.
		UpdateMergeWindow: durationpb.New(0),
		// A pod just found, not yet checked, does not count as a sick one.
		IgnoreNewHostsUntilFirstHc: true,
	}
}

// outliers finds pods that answer health checks and fail calls.
//
// A pod that takes calls and never answers is not among them: Envoy cannot tell
// it from a slow one, nor counts calls that ended by their deadline. Such calls
// are bounded by their deadlines and by circuitBreakers, and LeastRequest soon
// avoids the pod; a probe of its own kind must restart it.
func outliers() *clusterv3.OutlierDetection {
	return &clusterv3.OutlierDetection{
		Interval:           durationpb.New(ejectionSweep),
		BaseEjectionTime:   durationpb.New(ejectionTime),
		MaxEjectionTime:    durationpb.New(ejectionMost),
		MaxEjectionPercent: wrapperspb.UInt32(ejectedPercent),

		// Envoy counts a gRPC status as the HTTP status it stands for, UNAVAILABLE
		// as 503 and DEADLINE_EXCEEDED as 504, and what it sees itself, as a call
		// broken off, as 503 too. With errors of local origin split off, it would
		// count that as 500, like INTERNAL.
		ConsecutiveGatewayFailure:          wrapperspb.UInt32(failuresToEject),
		EnforcingConsecutiveGatewayFailure: wrapperspb.UInt32(100),

		// On by default, and with them any error counts.
		EnforcingConsecutive_5Xx: wrapperspb.UInt32(0),
		EnforcingSuccessRate:     wrapperspb.UInt32(0),

		// By default the next health check takes the pod back.
		SuccessfulActiveHealthCheckUnejectHost: wrapperspb.Bool(false),
	}
}

// circuitBreakers bound the calls under way to one backend by the number of
// clients that may be connected: further ones are answered UNAVAILABLE at once.
// Envoy's default, 1024, is soon reached by streams that stay open. Connections
// to pods, and calls that wait for one, can't be more than the calls.
func circuitBreakers(c Config) *clusterv3.CircuitBreakers {
	limit := wrapperspb.UInt32(uint32(min(c.MaxConnections, math.MaxUint32)))
	return &clusterv3.CircuitBreakers{
		Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxRequests:        limit,
			MaxPendingRequests: limit,
			MaxConnections:     limit,
			RetryBudget:        retryBudget(),
			TrackRemaining:     true,
		}},
	}
}
