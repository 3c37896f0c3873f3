package main

import (
	"context"
	"fmt"
	"path/filepath"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/envoy/openapi"
	"example.com/grpc-edge/services/catalog"
)

// documentFile is the path of the OpenAPI document, from the root of the repository.
const documentFile = "docs/openapi.yaml"

// document collects what the OpenAPI document is about.
type document struct {
	services []protoreflect.ServiceDescriptor
}

// add adds the gRPC services that the service serves, unless it is private.
func (d *document) add(s service, set *descriptorpb.FileDescriptorSet) error {
	if s.private {
		return nil
	}
	own, err := catalog.OwnFiles(filepath.Join(s.root, s.folder), set)
	if err != nil {
		return fmt.Errorf("reading the descriptors of %s: %w", s.folder, err)
	}
	d.services = append(d.services, catalog.Served(own, s.serves)...)
	return nil
}

func (d *document) yaml(ctx context.Context) ([]byte, error) {
	document, err := openapi.Document(ctx, "grpc-edge", "The services in REST: the google.api.http annotations of their protos.", d.services)
	if err != nil {
		return nil, err
	}
	content, err := openapi.YAML(document)
	return append([]byte("# Written by make generate from the protos of the services.\n"), content...), err
}
