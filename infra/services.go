package main

import (
	"path"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/directory"
	"example.com/grpc-edge/infra/service"
	echo "example.com/grpc-edge/services/echo/api"
	reverse "example.com/grpc-edge/services/reverse/api"
)

// services is the list of what is deployed: image, pods, routes and network
// policies follow. `make service NAME=greeter` writes a new one and adds it here.
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
func (e entry) Backend(c *config.Config) envoy.Backend {
	backend := envoy.Backend{
		Name:     e.Name(),
		Address:  service.Host(namespaceName, e.Name()),
		Port:     service.Port,
		Services: envoy.Services(e.File),
	}
	if c.Edge.ZoneAware {
		backend.Zones = map[string]string{}
		for _, zone := range c.Cluster.Zones {
			backend.Zones[zone] = service.Host(namespaceName, service.Zone(e.Name(), zone))
		}
	}
	if canary, ok := c.Edge.Canaries[e.Name()]; ok {
		backend.Canary = &envoy.Canary{
			Address: service.Host(namespaceName, service.Canary(e.Name())),
			Weight:  canary.Weight, Header: canary.Header, Mirror: canary.Mirror,
		}
	}
	return backend
}

func backends(entries []entry, c *config.Config) []envoy.Backend {
	var list []envoy.Backend
	for _, e := range entries {
		list = append(list, e.Backend(c))
	}
	return list
}

// directoryBackend answers for all services by what gRPC has for that.
func directoryBackend() envoy.Backend {
	return envoy.Backend{
		Name:    directory.Name,
		Address: service.Host(namespaceName, directory.Name),
		Port:    service.Port,
		Services: envoy.Services(
			healthpb.File_grpc_health_v1_health_proto,
			reflectionpb.File_grpc_reflection_v1_reflection_proto,
			reflectionalphapb.File_grpc_reflection_v1alpha_reflection_proto,
		),
	}
}
