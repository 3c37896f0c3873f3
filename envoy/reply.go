package envoy

import (
	"net/http"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/types/known/structpb"
)

// restCodes lists the JSON codes of Envoy's own HTTP statuses. They follow the mapping
// in google/rpc/code.proto where it has one.
var restCodes = []struct {
	status uint32
	code   code.Code
}{
	{http.StatusBadRequest, code.Code_INVALID_ARGUMENT},
	{http.StatusUnauthorized, code.Code_UNAUTHENTICATED},
	{http.StatusForbidden, code.Code_PERMISSION_DENIED},
	{http.StatusNotFound, code.Code_NOT_FOUND},
	{http.StatusMethodNotAllowed, code.Code_UNIMPLEMENTED},
	{http.StatusUnsupportedMediaType, code.Code_INVALID_ARGUMENT},
	{http.StatusRequestTimeout, code.Code_DEADLINE_EXCEEDED},
	{http.StatusRequestEntityTooLarge, code.Code_RESOURCE_EXHAUSTED},
	{http.StatusMisdirectedRequest, code.Code_UNIMPLEMENTED}, // as to gRPC
	{http.StatusTooManyRequests, code.Code_RESOURCE_EXHAUSTED},
	{http.StatusInternalServerError, code.Code_INTERNAL},
	{http.StatusServiceUnavailable, code.Code_UNAVAILABLE},
	{http.StatusGatewayTimeout, code.Code_DEADLINE_EXCEEDED},
}

// localReplies returns the format of Envoy's own answers. REST gets a google.rpc.Status
// in JSON, as from backends.
func localReplies(c Config) *hcmv3.LocalReplyConfig {
	replies := unroutedReply()
	if len(restServices(c)) == 0 {
		return replies
	}
	var mappers []*hcmv3.ResponseMapper
	for _, known := range restCodes {
		mappers = append(mappers, jsonReplyMapper(known.code, allOf(notGRPC(), statusIs(known.status))))
	}
	mappers = append(mappers, jsonReplyMapper(code.Code_UNKNOWN, notGRPC()))
	replies.Mappers = append(mappers, replies.Mappers...)
	return replies
}

func jsonReplyMapper(code code.Code, filter *accesslogv3.AccessLogFilter) *hcmv3.ResponseMapper {
	return &hcmv3.ResponseMapper{
		Filter: filter,
		BodyFormatOverride: &corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_JsonFormat{
			JsonFormat: &structpb.Struct{Fields: map[string]*structpb.Value{
				"code":    structpb.NewNumberValue(float64(code)),
				"message": structpb.NewStringValue("%LOCAL_REPLY_BODY%"),
				"details": structpb.NewListValue(&structpb.ListValue{}),
			}},
		}},
	}
}

// notGRPC matches requests that came as neither gRPC nor gRPC-Web.
func notGRPC() *accesslogv3.AccessLogFilter {
	return anyOf(headerFilter(transcoded()), headerFilter(contentTypeIsNotGRPC()))
}

// transcoded matches requests that REST made look like gRPC, by the path that they came
// with.
func transcoded() *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name:                 "x-envoy-original-path",
		HeaderMatchSpecifier: &routev3.HeaderMatcher_PresentMatch{PresentMatch: true},
	}
}

// contentTypeIsGRPC matches gRPC and gRPC-Web.
func contentTypeIsGRPC() *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name: "content-type",
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "application/grpc"},
		}},
		TreatMissingHeaderAsEmpty: true,
	}
}

func contentTypeIsNotGRPC() *routev3.HeaderMatcher { return not(contentTypeIsGRPC()) }

func headerFilter(matcher *routev3.HeaderMatcher) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_HeaderFilter{
		HeaderFilter: &accesslogv3.HeaderFilter{Header: matcher},
	}}
}

// statusIs names a runtime key because it must; nothing sets the key.
func statusIs(status uint32) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{
		StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: &accesslogv3.ComparisonFilter{
			Op:    accesslogv3.ComparisonFilter_EQ,
			Value: &corev3.RuntimeUInt32{DefaultValue: status, RuntimeKey: "unused"},
		}},
	}}
}

func allOf(filters ...*accesslogv3.AccessLogFilter) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{
		AndFilter: &accesslogv3.AndFilter{Filters: filters},
	}}
}

func anyOf(filters ...*accesslogv3.AccessLogFilter) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_OrFilter{
		OrFilter: &accesslogv3.OrFilter{Filters: filters},
	}}
}
