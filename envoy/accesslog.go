package envoy

import (
	"maps"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	streamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// accessLogFields maps the keys of a line to Envoy's command for the value
// (docs/root/configuration/observability/access_log/usage.rst). Numbers stay
// numbers. A missing value is null. Values whose length the client chooses are cut
// at 256 bytes.
var accessLogFields = map[string]string{
	"time":        "%START_TIME%",
	"request_id":  "%REQ(X-REQUEST-ID)%",
	"client":      "%DOWNSTREAM_REMOTE_ADDRESS%",
	"tls_version": "%DOWNSTREAM_TLS_VERSION%",
	"user_agent":  "%REQ(USER-AGENT):256%",
	"authority":   "%REQ(:AUTHORITY):256%",
	"protocol":    "%PROTOCOL%",
	// The path of a gRPC call names its method: /package.Service/Method.
	"method": "%PATH(NQ:PATH):256%",

	"grpc_status":      "%GRPC_STATUS(SNAKE_STRING)%",
	"http_status":      "%RESPONSE_CODE%",
	"response_flags":   "%RESPONSE_FLAGS%",
	"response_details": "%RESPONSE_CODE_DETAILS%",
	"bytes_received":   "%BYTES_RECEIVED%",
	"bytes_sent":       "%BYTES_SENT%",
	"duration_ms":      "%DURATION%",
	// The deadline that the pod got: in milliseconds whatever the client's unit,
	// 7000m for 7S, and capped at MaxDeadline.
	"deadline": "%REQ(X-GRPC-TIMEOUT?GRPC-TIMEOUT):16%",
	// The trace of the caller or, if it traces nothing, of Envoy's own span.
	"trace_id": "%TRACE_ID%",
	// The client's identity in its certificate.
	"client_subject": "%DOWNSTREAM_PEER_SUBJECT%",

	"route":            "%ROUTE_NAME%",
	"upstream_cluster": "%UPSTREAM_CLUSTER%",
	"upstream_host":    "%UPSTREAM_HOST%",
	"upstream_failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
	// One more than the retries, which have no command.
	"attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
}

// accessLog writes one line of JSON to stdout when a call has ended. Envoy's own command finds no
// gRPC status in an answer that was translated to gRPC-Web or REST. The line of such a call has
// the status that status.lua noted.
func accessLog() []*accesslogv3.AccessLog {
	translated := maps.Clone(accessLogFields)
	translated["grpc_status"] = "%DYNAMIC_METADATA(" + statusName + ":name)%"
	return []*accesslogv3.AccessLog{logger(accessLogFields, false), logger(translated, true)}
}

// logger returns an access logger with these fields, for calls with a noted status or for others.
func logger(fields map[string]string, noted bool) *accesslogv3.AccessLog {
	format := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for key, command := range fields {
		format.Fields[key] = structpb.NewStringValue(command)
	}
	return &accesslogv3.AccessLog{
		Name: "envoy.access_loggers.stdout",
		Filter: &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_MetadataFilter{
			MetadataFilter: &accesslogv3.MetadataFilter{
				Matcher: &matcherv3.MetadataMatcher{
					Filter: statusName,
					Path:   []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: "name"}}},
					Value:  &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_PresentMatch{PresentMatch: noted}},
				},
				MatchIfKeyNotFound: wrapperspb.Bool(!noted),
			},
		}},
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: typed(&streamv3.StdoutAccessLog{
			AccessLogFormat: &streamv3.StdoutAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
				Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: format},
			}},
		})},
	}
}
