package chassis

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

const (
	// connectTimeout is the timeout of one attempt to connect to a pod. A network policy
	// that does not know a new pod yet drops packets, and grpc-go would wait 20 seconds.
	connectTimeout = 2 * time.Second
	// The first reconnect to a pod that refuses connections comes after reconnectFirst, and
	// later ones after at most reconnectMost; grpc-go would wait for up to 2 minutes.
	reconnectFirst = 250 * time.Millisecond
	reconnectMost  = 5 * time.Second
)

// A pod that vanished with its node is detected by an unanswered PING, after the sum
// of the two. Envoy probes pods as often (podPingInterval in envoy). A grpc-go client
// sends PINGs at most every 10 seconds.
const (
	podPingInterval = 10 * time.Second
	podPingTimeout  = 5 * time.Second
)

// The retry policy. Attempts and pauses are those of Envoy at the edge
// (envoy/retry.go), so that a method behaves the same for every caller.
const (
	maxAttempts       = 3
	firstBackoff      = "0.025s"
	maxBackoff        = "0.25s"
	backoffMultiplier = 3
	// retryTokens throttles retries. Each failure takes a token, and each success returns
	// half a token. There are no retries while fewer than half of the tokens are left (gRFC
	// A6, "Throttling Retry Attempts"). A pod that crashes breaks off as many calls at once
	// as it allows, 80 by default (MAX_CALLS), all of which may be retried.
	retryTokens     = 200
	retryTokenRatio = 0.5
)

// Dial returns a connection to another service of the stack, by the service's
// name. The caller's service.yaml has to name it in `calls`: that opens the network
// policies and sets the variable with the address, such as REVERSE_TARGET for
// reverse and PRICE_LIST_TARGET for price-list. A program that is run by hand sets
// the variable itself, such as REVERSE_TARGET=localhost:8080. `make service-calls` writes what
// service.yaml needs, and go.mod for the generated client.
//
// One connection is enough for a program. It is made before the first call, and
// used by any number of goroutines:
//
//	connection, err := chassis.Dial("reverse")
//	…
//	reverse := api.NewReverseClient(connection)
//	reply, err := reverse.Reverse(ctx, request) // ctx of the call that the handler answers
//
// The connection
//
//   - sends each call to the next pod that reports to be healthy, and finds
//     pods that were added or removed within a few seconds
//   - waits up to 10 seconds for a pod if there is none, then fails with UNAVAILABLE
//   - tries a call up to three times on UNAVAILABLE if the proto gives the method an
//     idempotency_level, and any call that no pod can have started. It stops
//     retrying while many calls fail
//   - ends a call with its context, so that the deadline and the cancellation of
//     the incoming call hold for it, and passes the trace on
//
// The error names the variable that is missing or wrong. An unreachable service is no
// error of Dial: calls report it.
func Dial(service string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return dial(os.Getenv, service, options...)
}

func dial(getenv func(string) string, service string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	variable := targetVariable(service)
	target := getenv(variable)
	if target == "" {
		return nil, fmt.Errorf("%s is not set: name %s in `calls` of this service's service.yaml, "+
			"or to run it by hand set the address, such as %s=localhost:8080", variable, service, variable)
	}
	config, err := serviceConfig(protoregistry.GlobalFiles)
	if err != nil {
		return nil, fmt.Errorf("creating the gRPC service config for calls to %s: %w", service, err)
	}
	defaults := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), // as between Envoy and pods
		PollDNS(dnsInterval),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithDisableServiceConfig(), // one in DNS is neither looked for nor used
		grpc.WithNoProxy(),              // pods are called, not one name
		grpc.WithMaxHeaderListSize(maxReplyHeaderBytes),
		grpc.WithIdleTimeout(0), // the first call after a quiet hour is as fast as others
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectFirst, Multiplier: 2, Jitter: 0.2, MaxDelay: reconnectMost},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: podPingInterval, Timeout: podPingTimeout}),
		grpc.WithChainUnaryInterceptor(waitForPodUnary(variable, target), passTraceUnary),
		grpc.WithChainStreamInterceptor(waitForPodStream(variable, target), passTraceStream),
	}
	if exports(getenv, "TRACES") || exports(getenv, "METRICS") {
		defaults = append(defaults, grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	}
	connection, err := grpc.NewClient(target, append(defaults, options...)...)
	if err != nil {
		return nil, fmt.Errorf("%s=%q must be the address of %s, such as dns:///%s:8080: %w", variable, target, service, service, err)
	}
	connection.Connect() // the pods are known by the time of the first call
	return connection, nil
}

// targetVariable returns the name of the variable with the address of a service.
func targetVariable(service string) string {
	return strings.ToUpper(strings.ReplaceAll(service, "-", "_")) + "_TARGET"
}

// The parts of gRPC's service config that are used here (grpc-proto,
// grpc/service_config/service_config.proto).
type (
	config struct {
		LoadBalancing   []map[string]struct{} `json:"loadBalancingConfig"`
		HealthCheck     map[string]string     `json:"healthCheckConfig"`
		RetryThrottling map[string]float64    `json:"retryThrottling"`
		Methods         []methodConfig        `json:"methodConfig,omitempty"`
	}
	methodConfig struct {
		Name  []methodName `json:"name"`
		Retry retryPolicy  `json:"retryPolicy"`
	}
	methodName struct {
		Service string `json:"service"`
		Method  string `json:"method"`
	}
	retryPolicy struct {
		MaxAttempts       int      `json:"maxAttempts"`
		InitialBackoff    string   `json:"initialBackoff"`
		MaxBackoff        string   `json:"maxBackoff"`
		BackoffMultiplier float64  `json:"backoffMultiplier"`
		Codes             []string `json:"retryableStatusCodes"`
	}
)

// serviceConfig returns gRPC's service config for calls of the services in the
// files. A program can only call methods whose generated code is linked into it,
// so that protoregistry.GlobalFiles has them all.
func serviceConfig(files *protoregistry.Files) (string, error) {
	c := config{
		LoadBalancing:   []map[string]struct{}{{"round_robin": {}}},
		HealthCheck:     map[string]string{"serviceName": ""}, // of the whole server, as Envoy and Kubernetes ask for
		RetryThrottling: map[string]float64{"maxTokens": retryTokens, "tokenRatio": retryTokenRatio},
	}
	if names := repeatableMethods(files); len(names) > 0 {
		c.Methods = []methodConfig{{Name: names, Retry: retryPolicy{
			MaxAttempts: maxAttempts, InitialBackoff: firstBackoff, MaxBackoff: maxBackoff,
			BackoffMultiplier: backoffMultiplier, Codes: []string{"UNAVAILABLE"},
		}}}
	}
	text, err := json.Marshal(c)
	return string(text), err
}

// repeatableMethods lists the methods that may be retried although a pod may have
// started the call: the proto allows it, and the client does not stream. This is the
// rule of envoy/retry.go.
func repeatableMethods(files *protoregistry.Files) []methodName {
	var names []methodName
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				method := methods.Get(j)
				options, _ := method.Options().(*descriptorpb.MethodOptions)
				if options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN && !method.IsStreamingClient() {
					names = append(names, methodName{string(method.Parent().FullName()), string(method.Name())})
				}
			}
		}
		return true
	})
	return names
}
