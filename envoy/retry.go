package envoy

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A call is tried at most three times. It waits before the second try a random
// time of up to retryBackOff, and before the third one of up to three times that
// (Envoy's router filter documentation, x-envoy-max-retries).
const (
	retries         = 2
	retryBackOff    = 25 * time.Millisecond
	retryBackOffMax = 250 * time.Millisecond
	// retryHostSelections limits how often Envoy picks again after it picks the pod just tried.
	retryHostSelections = 10
)

// The retry budget limits the share of the calls under way to a backend that may be
// retries, so that a failing backend gets at most half as many calls again. It is half
// because two pods are the minimum that survives a crash: if one crashes, its calls go
// to the other. A share of few calls means little, so some retries are always allowed.
const (
	retryBudgetPercent = 50
	retryBudgetAtLeast = 10
)

// What Envoy may try again (router filter documentation, x-envoy-retry-on and
// x-envoy-retry-grpc-on).
const (
	// The pod cannot have started the call: it took no connection, or refused the
	// stream (RFC 9113, section 8.7).
	retryOnUnsent = "connect-failure,refused-stream"
	// The pod may have started the call: it broke off before it answered, or
	// answered UNAVAILABLE, before any message.
	retryOnUnavailable = retryOnUnsent + ",reset,unavailable"
)

// repeatable reports whether a call of the method may be retried although a pod may
// have started it. Its proto must declare it idempotent. Its client must not stream, so
// that Envoy has the whole request and can send it again.
func repeatable(method protoreflect.MethodDescriptor) bool {
	options, _ := method.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN && !method.IsStreamingClient()
}

// retryPolicy returns the retry policy for the calls of a method.
func retryPolicy(method protoreflect.MethodDescriptor) *routev3.RetryPolicy {
	policy := retryUnsent()
	if repeatable(method) {
		policy.RetryOn = retryOnUnavailable
	}
	return policy
}

// retryUnsent retries on another pod when the first cannot have started the call. Any
// other call may have had an effect, and only the caller may retry it.
//
// No try has a timeout of its own: only the caller knows how long a method may take,
// and retrying slow calls would add load to an overloaded backend.
func retryUnsent() *routev3.RetryPolicy {
	return &routev3.RetryPolicy{
		RetryOn:    retryOnUnsent,
		NumRetries: wrapperspb.UInt32(retries),
		RetryBackOff: &routev3.RetryPolicy_RetryBackOff{
			BaseInterval: durationpb.New(retryBackOff),
			MaxInterval:  durationpb.New(retryBackOffMax),
		},
		RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
			Name: "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
				TypedConfig: typed(&previoushostsv3.PreviousHostsPredicate{}),
			},
		}},
		HostSelectionRetryMaxAttempts: retryHostSelections,
	}
}

func retryBudget() *clusterv3.CircuitBreakers_Thresholds_RetryBudget {
	return &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
		BudgetPercent:       &typev3.Percent{Value: retryBudgetPercent},
		MinRetryConcurrency: wrapperspb.UInt32(retryBudgetAtLeast),
	}
}
