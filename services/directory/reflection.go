package main

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha" // all that older clients speak
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// ownFiles declare the services that the directory itself serves.
var ownFiles = []protoreflect.FileDescriptor{
	grpc_health_v1.File_grpc_health_v1_health_proto,
	grpc_reflection_v1.File_grpc_reflection_v1_reflection_proto,
	grpc_reflection_v1alpha.File_grpc_reflection_v1alpha_reflection_proto,
}

// described returns the services and files that reflection describes. It leaves out this
// program's own registry, which has the files of every library in it.
func described(s settings) reflection.ServerOptions {
	services := listed{}
	for name := range s.targets {
		services[string(name)] = grpc.ServiceInfo{}
	}
	for _, file := range ownFiles {
		for i := range file.Services().Len() {
			services[string(file.Services().Get(i).FullName())] = grpc.ServiceInfo{}
		}
	}
	types := &protoregistry.Types{}
	s.files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		registerExtensions(types, file)
		return true
	})
	return reflection.ServerOptions{Services: services, DescriptorResolver: s.files, ExtensionResolver: types}
}

// listed holds services by their full names.
type listed map[string]grpc.ServiceInfo

// GetServiceInfo returns all services.
func (l listed) GetServiceInfo() map[string]grpc.ServiceInfo { return l }

// registerExtensions adds the extensions that are declared in a file or, at any depth, in
// its messages.
func registerExtensions(types *protoregistry.Types, in interface {
	Extensions() protoreflect.ExtensionDescriptors
	Messages() protoreflect.MessageDescriptors
}) {
	for i := range in.Extensions().Len() {
		// The only error is a name that is taken, and the files of one registry have none.
		_ = types.RegisterExtension(dynamicpb.NewExtensionType(in.Extensions().Get(i)))
	}
	for i := range in.Messages().Len() {
		registerExtensions(types, in.Messages().Get(i))
	}
}
