package envoy

import (
	transcoderv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_json_transcoder/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// maxJSON bounds the body of a REST request and of its reply in bytes, which are
// held in memory whole. It is what gRPC servers take of a message by default
// (grpc-go, MaxRecvMsgSize).
const maxJSON = 4 << 20

// transcodingFilters answers JSON over HTTP for methods with an HTTP annotation
// (google/api/http.proto). The call goes on as gRPC to the route of its method,
// and the reply's gRPC status becomes an HTTP status with a google.rpc.Status as
// the body. Requests at other paths, and of gRPC, pass untouched.
func transcodingFilters(c Config) []*hcmv3.HttpFilter {
	services := annotated(c.Backends)
	if !c.REST || len(services) == 0 {
		return nil
	}
	set, names := &descriptorpb.FileDescriptorSet{}, []string(nil)
	seen := map[string]bool{}
	for _, service := range services {
		addFile(set, seen, service.ParentFile())
		names = append(names, string(service.FullName()))
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil { // only text that is not UTF-8, which a descriptor does not hold
		panic("marshalling descriptors: " + err.Error())
	}
	return []*hcmv3.HttpFilter{httpFilter("envoy.filters.http.grpc_json_transcoder", &transcoderv3.GrpcJsonTranscoder{
		DescriptorSet: &transcoderv3.GrpcJsonTranscoder_ProtoDescriptorBin{ProtoDescriptorBin: content},
		Services:      names,
		PrintOptions: &transcoderv3.GrpcJsonTranscoder_PrintOptions{
			// A field that is left out looks like one that does not exist.
			AlwaysPrintPrimitiveFields: true,
		},
		ConvertGrpcStatus:   true,
		MaxRequestBodySize:  wrapperspb.UInt32(maxJSON),
		MaxResponseBodySize: wrapperspb.UInt32(maxJSON),
		RequestValidationOptions: &transcoderv3.GrpcJsonTranscoder_RequestValidationOptions{
			RejectUnknownQueryParameters:     true,
			RejectBindingBodyFieldCollisions: true,
		},
	})}
}

// annotated are the services with a method that has an HTTP annotation.
func annotated(backends []Backend) []protoreflect.ServiceDescriptor {
	var list []protoreflect.ServiceDescriptor
	for _, backend := range backends {
		for _, service := range backend.Services {
			for i := range service.Methods().Len() {
				if proto.HasExtension(service.Methods().Get(i).Options(), annotations.E_Http) {
					list = append(list, service)
					break
				}
			}
		}
	}
	return list
}

// addFile adds a file after those that it imports.
func addFile(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		addFile(set, seen, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}
