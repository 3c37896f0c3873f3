package main

import (
	"path"

	"google.golang.org/protobuf/reflect/protoreflect"

	"grpc-edge/envoy"
	"grpc-edge/infra/service"
	echo "grpc-edge/services/echo/api"
	reverse "grpc-edge/services/reverse/api"
)

// services is the list of what is deployed. To add a service, write its folder
// and name it here: image, pods, routes and network policies follow.
var services = []entry{
	{Folder: "services/echo", File: echo.File_api_echo_proto},
	{Folder: "services/reverse", File: reverse.File_api_reverse_proto},
}

// entry is one service.
type entry struct {
	// Folder is its Go module, from the root of the repository; its last part is
	// the name of the service.
	Folder string
	// File declares the gRPC services it serves.
	File protoreflect.FileDescriptor
}

// Name is the name of all that is made for the service; a DNS label.
func (e entry) Name() string { return path.Base(e.Folder) }

// Backend is where Envoy finds it, and what it routes there.
func (e entry) Backend() envoy.Backend {
	return envoy.Backend{
		Name:     e.Name(),
		Address:  service.Host(namespaceName, e.Name()),
		Port:     service.Port,
		Services: envoy.Services(e.File),
	}
}

func backends(entries []entry) []envoy.Backend {
	var list []envoy.Backend
	for _, e := range entries {
		list = append(list, e.Backend())
	}
	return list
}
