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

// slowStart is the time during which a pod that has just become healthy gets less
// than its share of the calls, at first a tenth. It applies to round robin only.
const slowStart = 10 * time.Second

// A pod is ejected, and gets no calls for a while, after this many failures in a row:
// calls that it did not accept, broke off, or answered with nothing but the status
// UNAVAILABLE or DEADLINE_EXCEEDED (Trailers-Only; gRPC over HTTP2, "Responses"). Other
// errors can be caused by the caller, who could eject pods with them. So can a deadline:
// [moveDeadline] keeps it from the libraries of backends, and services/chassis sends
// headers before the status. Envoy has no setting for this: its error_matcher does not
// apply to gRPC, and a reset by a pod counts as a failed connection (both seen with
// 1.39.1).
//
// At most half of the pods can be ejected, and so never the only one; with others lost, it can
// be the only healthy one, see healthyOnly. Each ejection of a pod lasts one ejectionTime longer
// than the last, up to ejectionMost.
const (
	failuresToEject = 5
	ejectionTime    = 30 * time.Second
	ejectionMost    = 5 * time.Minute
	ejectionSweep   = 5 * time.Second
	ejectedPercent  = 50
)

// balancing returns the policy: round robin, or the least busy of all pods.
//
// By default Envoy picks the less busy of two random pods, which may be the same one
// twice: of three pods, one that never answers would get a ninth of the calls forever.
// Backends have few pods, so comparing all is cheap. Envoy does so only without slow
// start, which makes it use weights (seen with Envoy 1.39.1: the pod got 7 of 60 calls
// instead of 1). A new pod that is slow at first does not need slow start: it has calls
// under way, and so gets fewer.
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

// healthyOnly makes Envoy call only healthy pods, and all pods if none is healthy. By default
// Envoy calls unhealthy ones too when fewer than half are healthy. An unhealthy pod has reported
// that it does not serve, does not answer, or is ejected. With one of two pods lost, the other one
// can be ejected for what one method answers, and that may not cost the calls of all others. A
// pod that is gone refuses the connection, and the call is tried at another one.
func healthyOnly() *clusterv3.Cluster_CommonLbConfig {
	return &clusterv3.Cluster_CommonLbConfig{
		HealthyPanicThreshold: &typev3.Percent{Value: 1},
		// By default a change of a pod's health may take effect a second late.
		UpdateMergeWindow: durationpb.New(0),
		// A pod that was just found and not yet checked does not count as unhealthy.
		IgnoreNewHostsUntilFirstHc: true,
	}
}

// outliers returns the settings that detect pods which answer health checks but fail
// calls.
//
// They do not detect a pod that accepts calls and never answers: Envoy cannot tell it
// from a slow one, and does not count calls that end by their deadline. Such calls are
// limited by their deadlines and by circuitBreakers, and LeastRequest soon avoids the
// pod. A dedicated probe must restart it.
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

		// These are on by default, and count any error.
		EnforcingConsecutive_5Xx: wrapperspb.UInt32(0),
		EnforcingSuccessRate:     wrapperspb.UInt32(0),

		// By default the next health check ends the ejection.
		SuccessfulActiveHealthCheckUnejectHost: wrapperspb.Bool(false),
	}
}

// circuitBreakers limits the calls under way to one backend to the number of clients
// that may be connected. Further calls get UNAVAILABLE at once. Streams that stay open
// soon reach Envoy's default, 1024. There can't be more connections to pods, or calls
// that wait for one, than calls.
func circuitBreakers(c Config) *clusterv3.CircuitBreakers {
	limit := wrapperspb.UInt32(uint32(min(c.MaxConnections, math.MaxUint32)))
	return &clusterv3.CircuitBreakers{
		Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxRequests:        limit,
			MaxPendingRequests: limit,
			MaxConnections:     limit,
			RetryBudget:        retryBudget(),
		}},
	}
}
