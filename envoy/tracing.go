package envoy

import (
	"errors"
	"fmt"
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	samplersv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/tracers/opentelemetry/samplers/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// collectorName holds an underscore, so that no backend can have it.
const collectorName = "envoy_collector"

// exportTimeout is the timeout of one message to the collector.
const exportTimeout = 5 * time.Second

// tracing makes Envoy a part of each trace: it continues the caller's W3C
// traceparent, adds a span of its own, and passes that span to the backend. The
// caller decides whether a call is sampled, if it made a decision, so that a trace has
// no gaps. A caller that samples everything causes many spans; the collector can drop
// some. tracing returns nil without a collector: traceparent then passes unchanged.
func tracing(c Config) *hcmv3.HttpConnectionManager_Tracing {
	if c.Collector == nil {
		return nil
	}
	const operation = "%PATH(NQ:PATH):256%" // for gRPC the method: OpenTelemetry's name of such a span
	return &hcmv3.HttpConnectionManager_Tracing{
		// A span for the call, and below it one for each time it is sent to a pod.
		SpawnUpstreamSpan: wrapperspb.Bool(true),
		Operation:         operation,
		UpstreamOperation: operation,
		// The query in a URL of REST may contain personal data.
		MaxPathTagLength: wrapperspb.UInt32(0),
		Provider: &tracev3.Tracing_Http{
			Name: "envoy.tracers.opentelemetry",
			ConfigType: &tracev3.Tracing_Http_TypedConfig{TypedConfig: typed(&tracev3.OpenTelemetryConfig{
				ServiceName: "envoy",
				Sampler:     callersChoice(c.Collector.Sampling),
				GrpcService: &corev3.GrpcService{
					TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: collectorName}},
					Timeout:         durationpb.New(exportTimeout),
				},
			})},
		},
	}
}

// callersChoice samples as the caller does. Without a traceparent it samples this
// percentage of the calls. The connection manager's own percentage would also apply
// to callers that have decided.
func callersChoice(percent float64) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{
		Name: "envoy.tracers.opentelemetry.samplers.parent_based",
		TypedConfig: typed(&samplersv3.ParentBasedSamplerConfig{WrappedSampler: &corev3.TypedExtensionConfig{
			Name: "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
			TypedConfig: typed(&samplersv3.TraceIdRatioBasedSamplerConfig{SamplingPercentage: &typev3.FractionalPercent{
				Numerator: uint32(math.Round(percent * 10_000)), Denominator: typev3.FractionalPercent_MILLION,
			}}),
		}}),
	}
}

// collectorClusters returns the cluster of the collector. Its health is not checked:
// a lost trace fails no call.
func collectorClusters(c Config) []*clusterv3.Cluster {
	if c.Collector == nil {
		return nil
	}
	return []*clusterv3.Cluster{{
		Name: collectorName,
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name:        "envoy.cluster.dns",
			TypedConfig: typed(dnsDiscovery(c.Resolvers)),
		}},
		ConnectTimeout:                durationpb.New(connectTimeout),
		LoadAssignment:                endpoint(collectorName, c.Collector.Address, c.Collector.Port),
		TypedExtensionProtocolOptions: upstreamHTTP2(Backend{}),
	}}
}

func (c Config) validateCollector() error {
	if c.Collector == nil {
		return nil
	}
	var errs []error
	if !validDNSName(c.Collector.Address) {
		errs = append(errs, fmt.Errorf("Collector.Address: %q must be a DNS name, such as collector.telemetry", c.Collector.Address))
	}
	if c.Collector.Sampling < 0 || c.Collector.Sampling > 100 {
		errs = append(errs, fmt.Errorf("Collector.Sampling: %v must be a percentage, 0 to 100", c.Collector.Sampling))
	}
	return errors.Join(append(errs, validatePort("Collector.Port", c.Collector.Port))...)
}
