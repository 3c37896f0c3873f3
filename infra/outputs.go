package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/envoy/rest"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/internal/shell"
	"example.com/grpc-edge/services/catalog"
)

// caFile and protosetFile are the files that the ready-made commands expect in the current
// folder; the second only if the edge does not answer reflection to anyone:
//
//	pulumi stack output caCertificate > ca.pem
//	pulumi stack output protoset | base64 -d > services.protoset
const (
	caFile       = "ca.pem"
	protosetFile = "services.protoset"
)

// outputs returns the outputs of the stack: what people need to call the services and to
// operate them.
func (s *stack) outputs() (pulumi.Map, error) {
	grpcurl, curl := s.commands()
	images := pulumi.StringMap{}
	for name, built := range s.images {
		images[name] = built.Reference
	}
	for _, declared := range s.config.Services {
		if !declared.Built() {
			images[declared.Name] = s.references[declared.Name]
		}
	}
	outputs := pulumi.Map{
		"address":         s.network.Addresses[0].IP,
		"authority":       pulumi.String(s.config.Authorities[0]),
		"caCertificate":   s.certificate.Authority,
		"grpcurl":         grpcurl,
		"curl":            curl,
		"images":          images,
		"registry":        pulumi.String(s.registry.Images),
		"network":         s.network.Name,
		"nodeAccount":     s.nodes.Email,
		"clusterName":     s.cluster.Name,
		"clusterLocation": s.cluster.Location,
		"kubeconfig":      s.cluster.Kubeconfig,
	}
	for _, address := range s.network.Addresses {
		if address.IPv6 {
			outputs["ipv6Address"] = address.IP
		}
	}
	if !s.config.Edge.OpenReflection() {
		content, err := proto.MarshalOptions{Deterministic: true}.Marshal(descriptorSet(s.config))
		if err != nil {
			return nil, fmt.Errorf("writing the descriptors of the services: %w", err)
		}
		outputs["protoset"] = pulumi.String(base64.StdEncoding.EncodeToString(content))
	}
	if s.delivery != nil {
		for role, email := range s.delivery.Emails {
			outputs[role] = email
		}
	}
	if s.config.Delivery.Repository != "" {
		outputs["identityProvider"] = s.delivery.IdentityProvider
	}
	return outputs, nil
}

// descriptorSet returns the files of the public services and all that they import,
// each file after its imports. The files declare only gRPC services that the edge serves.
func descriptorSet(c *config.Config) *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	seen, served := map[string]bool{}, map[protoreflect.FullName]bool{}
	for _, backend := range edgeConfig(c).Backends {
		for _, service := range backend.Services {
			served[service.FullName()] = true
		}
	}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		described := protodesc.ToFileDescriptorProto(file)
		described.Service = slices.DeleteFunc(described.Service, func(service *descriptorpb.ServiceDescriptorProto) bool {
			return !served[file.Package().Append(protoreflect.Name(service.GetName()))]
		})
		set.File = append(set.File, described)
	}
	for _, declared := range public(c) {
		for _, file := range declared.Protos {
			add(file)
		}
	}
	return set
}

// commands returns commands that are ready to be pasted: a grpcurl command for each method,
// and a curl command for each method with a REST path. They name the first authority that
// serves the method. A method has none if no sample of its request can be made.
func (s *stack) commands() (grpcurl, curl pulumi.StringMap) {
	grpcurl, curl = pulumi.StringMap{}, pulumi.StringMap{}
	for _, declared := range public(s.config) {
		for _, method := range declared.Methods() {
			request, ok := catalog.Sample(method.Input())
			if !ok {
				continue
			}
			name := fmt.Sprintf("%s/%s", method.Parent().FullName(), method.Name())
			authority := s.edge.AuthorityFor(method.Parent().FullName(), method.Name())
			grpcurl[name] = s.grpcurl(authority, name, shell.Quote(request))
			if verb, path := restPath(method); path != "" && s.config.Edge.REST {
				if method.IsStreamingClient() {
					request = "[" + request + "]" // a stream of messages is a list in JSON
				}
				curl[verb+" "+path] = s.curl(authority, verb, path, shell.Quote(request))
			}
		}
	}
	return grpcurl, curl
}

func (s *stack) grpcurl(authority, method, request string) pulumi.StringInput {
	var flags string
	if s.config.Certificate.OwnAuthority() {
		flags += "-cacert " + caFile + " "
	}
	if !s.config.Edge.OpenReflection() {
		flags += "-protoset " + protosetFile + " "
	}
	return pulumi.Sprintf("grpcurl %s-authority %s -d %s %s:443 %s",
		flags, authority, request, s.network.Addresses[0].IP, method)
}

func (s *stack) curl(authority, verb, path, request string) pulumi.StringInput {
	var flags string
	if s.config.Certificate.OwnAuthority() {
		flags = "--cacert " + caFile + " "
	}
	return pulumi.Sprintf("curl %s--resolve %s:443:%s -X %s -H 'content-type: application/json' -d %s https://%[2]s%[6]s",
		flags, authority, s.network.Addresses[0].IP, verb, request, path)
}

// restPath returns the verb and path of a method in REST. They are empty if it has none, or
// if the request is not simply the body.
func restPath(method protoreflect.MethodDescriptor) (verb, path string) {
	for _, binding := range rest.Bindings(method) {
		if binding.Body == "*" && binding.Verb != "*" && len(binding.Variables()) == 0 && !strings.Contains(binding.Template, "*") {
			return binding.Verb, binding.Template
		}
	}
	return "", ""
}
