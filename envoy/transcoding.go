package envoy

import (
	"fmt"

	bufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/buffer/v3"
	transcoderv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_json_transcoder/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// bufferFilter names the filter and a route's setting for it.
const bufferFilter = "envoy.filters.http.buffer"

// The size limits of JSON in bytes. A request may be as long as a gRPC message by
// default (grpc-go's default for servers). A response may be twice that, since bytes
// and numbers are longer in JSON.
const (
	jsonRequest = 4 << 20
	jsonReply   = 2 * jsonRequest
)

// transcodingFilters returns the filters that serve JSON over HTTP for methods with an
// HTTP annotation (google/api/http.proto). Calls by gRPC and gRPC-Web pass unchanged.
// Other requests that match no annotated method get 404, so that backends get only
// gRPC. Unknown JSON fields are ignored.
func transcodingFilters(c Config) []*hcmv3.HttpFilter {
	services := restServices(c)
	if len(services) == 0 {
		return nil
	}
	config := &transcoderv3.GrpcJsonTranscoder{
		DescriptorSet:     &transcoderv3.GrpcJsonTranscoder_ProtoDescriptorBin{ProtoDescriptorBin: descriptorSet(services, c.Backends)},
		ConvertGrpcStatus: true,
		PrintOptions:      &transcoderv3.GrpcJsonTranscoder_PrintOptions{AlwaysPrintPrimitiveFields: true},
		RequestValidationOptions: &transcoderv3.GrpcJsonTranscoder_RequestValidationOptions{
			RejectUnknownMethod:              true,
			RejectUnknownQueryParameters:     true,
			RejectBindingBodyFieldCollisions: true,
		},
		QueryParamUnescapePlus: true,
		// A value of several segments is decoded as google/api/http.proto says. Envoy by default
		// leaves reserved characters encoded, so that a pod cannot tell %23 from %2523.
		UrlUnescapeSpec:              transcoderv3.GrpcJsonTranscoder_ALL_CHARACTERS_EXCEPT_SLASH,
		IgnoreUnknownQueryParameters: c.IgnoreUnknownQuery,
		MaxResponseBodySize:          wrapperspb.UInt32(jsonReply),
	}
	for _, service := range services {
		config.Services = append(config.Services, string(service.FullName()))
	}
	return []*hcmv3.HttpFilter{
		off(httpFilter(bufferFilter, jsonBuffer())),
		off(httpFilter("envoy.filters.http.grpc_json_transcoder", config)),
	}
}

func jsonBuffer() *bufferv3.Buffer {
	return &bufferv3.Buffer{MaxRequestBytes: wrapperspb.UInt32(jsonRequest)}
}

// descriptorSet returns the FileDescriptorSet of the files of services and backends, and all their
// imports. Each file comes once and after its imports, as Envoy expects. The set
// includes the details that errors may carry (google/rpc/error_details.proto): if
// Envoy does not know a detail of an error, it drops the whole text.
func descriptorSet(services []protoreflect.ServiceDescriptor, backends []Backend) []byte {
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i))
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	for _, service := range services {
		add(service.ParentFile())
	}
	for _, backend := range backends {
		for _, file := range backend.Files {
			add(file)
		}
	}
	add(errdetails.File_google_rpc_error_details_proto)
	return marshal(set)
}

// marshal returns the same bytes each time. It cannot fail for descriptors: their
// required fields are set, and their strings are UTF-8.
func marshal(m proto.Message) []byte {
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("packing %T: %v", m, err))
	}
	return content
}
