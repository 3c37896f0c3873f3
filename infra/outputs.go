package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Files that the commands of the output "grpcurl" expect in the current folder:
//
//	pulumi stack output caCertificate > ca.pem
//	pulumi stack output protoset | base64 -d > services.protoset
const (
	caFile       = "ca.pem"
	protosetFile = "services.protoset"
)

// outputs are what it takes to call the services and to look after them.
func (s *stack) outputs() (pulumi.Map, error) {
	protoset, err := descriptorSet(services)
	if err != nil {
		return nil, err
	}
	commands, err := s.grpcurl(services)
	if err != nil {
		return nil, err
	}
	images := pulumi.StringMap{}
	for name, built := range s.images {
		images[name] = built.Reference
	}
	return pulumi.Map{
		"address":         s.network.Address,
		"authority":       pulumi.String(s.config.Authority),
		"caCertificate":   s.certificate.Authority,
		"protoset":        pulumi.String(protoset),
		"grpcurl":         commands,
		"images":          images,
		"registry":        pulumi.String(s.registry.Images),
		"clusterName":     s.cluster.Name,
		"clusterLocation": s.cluster.Location,
		"kubeconfig":      s.cluster.Kubeconfig,
	}, nil
}

// descriptorSet is what grpcurl needs to know of the services, and no more:
// reflection is not routed at the edge, and the .proto files import others that a
// user may lack. Options, and the files that only declare those, say nothing
// about how to call a method.
func descriptorSet(entries []entry) (string, error) {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{annotations: true}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, callable(file))
	}
	for _, e := range entries {
		add(e.File)
	}
	if _, err := protodesc.NewFiles(set); err != nil {
		return "", fmt.Errorf("describing the services for grpcurl: %w", err)
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return "", fmt.Errorf("writing the descriptors of the services: %w", err)
	}
	return base64.StdEncoding.EncodeToString(content), nil
}

// callable is a file without options and without the imports that only these need.
func callable(file protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	bare := protodesc.ToFileDescriptorProto(file)
	bare.Options = nil
	for _, s := range bare.Service {
		for _, m := range s.Method {
			m.Options = nil
		}
	}
	bare.Dependency = slices.DeleteFunc(bare.Dependency, func(path string) bool { return path == annotations })
	return bare
}

// annotations is the file of Google's HTTP annotations, which are options of methods.
const annotations = "google/api/annotations.proto"

// grpcurl is a command for each method, ready to be pasted.
func (s *stack) grpcurl(entries []entry) (pulumi.StringMap, error) {
	trust := ""
	if !s.config.Certificate.Provided() {
		trust = "-cacert " + caFile + " "
	}
	commands := pulumi.StringMap{}
	for _, e := range entries {
		for i := range e.File.Services().Len() {
			methods := e.File.Services().Get(i).Methods()
			for j := range methods.Len() {
				method := fmt.Sprintf("%s/%s", methods.Get(j).Parent().FullName(), methods.Get(j).Name())
				request, err := sample(methods.Get(j).Input())
				if err != nil {
					return nil, fmt.Errorf("making a request for %s: %w", method, err)
				}
				commands[method] = pulumi.Sprintf("grpcurl %s-protoset %s -authority %s -d '%s' %s:443 %s",
					trust, protosetFile, s.config.Authority, request, s.network.Address, method)
			}
		}
	}
	return commands, nil
}

// sample is a request with a word in every text field, as JSON.
func sample(message protoreflect.MessageDescriptor) (string, error) {
	request := dynamicpb.NewMessage(message)
	for i := range message.Fields().Len() {
		if field := message.Fields().Get(i); field.Kind() == protoreflect.StringKind && !field.IsList() {
			request.Set(field, protoreflect.ValueOfString("hello"))
		}
	}
	content, err := protojson.Marshal(request)
	if err != nil {
		return "", err
	}
	// protojson's white space differs from build to build on purpose; a stack output must not.
	var compact bytes.Buffer
	err = json.Compact(&compact, content)
	return compact.String(), err
}
