package envoy

import (
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	streamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/types/known/structpb"
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

	// GRPC_STATUS finds no status in an answer that was translated to gRPC-Web or REST. The
	// status of such a call is the one that status.lua noted.
	"grpc_status": `%COALESCE({"operators": [{"command": "DYNAMIC_METADATA", "param": "` + statusName + `:name"}, ` +
		`{"command": "GRPC_STATUS", "param": "SNAKE_STRING"}]})%`,
	"http_status":      "%RESPONSE_CODE%",
	"response_flags":   "%RESPONSE_FLAGS%",
	"response_details": "%RESPONSE_CODE_DETAILS%",
	"bytes_received":   "%BYTES_RECEIVED%",
	"bytes_sent":       "%BYTES_SENT%",
	"duration_ms":      "%DURATION%",
	// The deadline that the pod got: in milliseconds whatever the client's unit,
	// 6995m for 7S (deadlineOffset), and capped at MaxDeadline.
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

// whyRefused prefers the reason that underscores.lua noted.
const whyRefused = `%COALESCE({"operators": [{"command": "DYNAMIC_METADATA", "param": "` + underscoresName + `:reason"}, ` +
	`{"command": "RESPONSE_CODE_DETAILS"}]})%`

// accessLog writes one line of JSON to stdout when a call has ended.
func accessLog(c Config) []*accesslogv3.AccessLog {
	format := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for key, command := range accessLogFields {
		format.Fields[key] = structpb.NewStringValue(command)
	}
	if c.Underscores == RefuseUnderscores {
		format.Fields["response_details"] = structpb.NewStringValue(whyRefused)
	}
	return []*accesslogv3.AccessLog{{
		Name: "envoy.access_loggers.stdout",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: typed(&streamv3.StdoutAccessLog{
			AccessLogFormat: &streamv3.StdoutAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
				Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: format},
			}},
		})},
	}}
}
