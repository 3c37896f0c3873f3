package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/secretmanager"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/cluster"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/directory"
	"example.com/grpc-edge/infra/edge"
	"example.com/grpc-edge/infra/identity"
	"example.com/grpc-edge/infra/namespace"
	"example.com/grpc-edge/infra/service"
	"example.com/grpc-edge/services/catalog"
)

// public lists the services that the edge serves.
func public(c *config.Config) []catalog.Service {
	var list []catalog.Service
	for _, s := range c.Services {
		if !s.Private {
			list = append(list, s)
		}
	}
	return list
}

// backends returns the backends of Envoy: the addresses of the public services, and what it
// routes there.
func backends(c *config.Config) []envoy.Backend {
	var list []envoy.Backend
	for _, s := range public(c) {
		list = append(list, backend(c, s))
	}
	return list
}

func backend(c *config.Config, s catalog.Service) envoy.Backend {
	result := envoy.Backend{
		Name:     s.Name,
		Address:  service.Host(namespaceName, s.Name),
		Port:     service.Port,
		Services: s.Services(),
		Files:    s.Protos,
	}
	if c.Edge.ZoneAware {
		result.Zones = map[string]string{}
		for _, zone := range c.Cluster.Zones {
			result.Zones[zone] = service.Host(namespaceName, catalog.ZoneName(s.Name, zone))
		}
	}
	if canary, ok := c.Edge.Canaries[s.Name]; ok {
		canary.Address = service.Host(namespaceName, service.Canary(s.Name))
		result.Canary = &canary.Canary
	}
	return result
}

// directoryBackend returns the backend that answers gRPC reflection and gRPC health for all
// services.
func directoryBackend(e config.Edge) envoy.Backend {
	var files []protoreflect.FileDescriptor
	if e.Health {
		files = append(files, healthpb.File_grpc_health_v1_health_proto)
	}
	if e.Reflection {
		files = append(files, reflectionpb.File_grpc_reflection_v1_reflection_proto, reflectionalphapb.File_grpc_reflection_v1alpha_reflection_proto)
	}
	return envoy.Backend{
		Name:     directory.Name,
		Address:  service.Host(namespaceName, directory.Name),
		Port:     service.Port,
		Services: envoy.Services(files...),
	}
}

// service deploys one service. With a canary, its source or image is the second version,
// and the first version is an earlier image.
func (s *stack) service(ctx *pulumi.Context, declared catalog.Service, space *namespace.Namespace, inCluster pulumi.ResourceOption) error {
	args := s.serviceArgs(ctx, declared.Name, declared.Spec, space)
	args.Image = s.references[declared.Name]
	args.Callers = s.callers(declared)
	if s.config.Edge.ZoneAware && !declared.Private {
		args.Zones = s.config.Cluster.Zones
	}
	var err error
	if args.Files, err = files(ctx.RootDirectory(), declared); err != nil {
		return err
	}
	args.Secrets = s.secrets(ctx, declared)
	if args.After, err = s.grants(ctx, declared); err != nil {
		return err
	}
	if _, ok := s.config.Edge.Canaries[declared.Name]; ok {
		second := args
		second.Name, second.Zones = service.Canary(declared.Name), nil
		second.Account = account(ctx, second.Name)
		if _, err := service.New(ctx, second.Name, &second, inCluster); err != nil {
			return err
		}
		args.Image = s.references[stableOf(declared.Name)]
	}
	running, err := service.New(ctx, declared.Name, &args, inCluster)
	if err == nil && args.Zones != nil {
		s.zoned = append(s.zoned, running.Deployment)
	}
	return err
}

// account returns the name of the Kubernetes service account of a workload's pods. The pools of
// all clusters in a project are one, so the name has the stack: the principals of two stacks would
// otherwise be the same, with each other's roles, and one stack's teardown would take the other's.
// The name of a service has no two hyphens in a row, so no two names are the same.
func account(ctx *pulumi.Context, workload string) string { return workload + "--" + ctx.Stack() }

// serviceArgs returns the arguments that all services share.
func (s *stack) serviceArgs(ctx *pulumi.Context, name string, spec catalog.Spec, space *namespace.Namespace) service.Args {
	return service.Args{
		Namespace: space.Name, NamespaceName: namespaceName, Name: name, Account: account(ctx, name),
		Spec: spec, Calls: spec.Calls,
		IPv6Range: s.network.IPv6Range, OTLP: s.config.OTLP, NodeSelector: cluster.NodeSelector(s.config.Cluster),
	}
}

// callers lists the workloads that may call the service: the edge, unless it is
// private, and the services that name it.
func (s *stack) callers(callee catalog.Service) []string {
	var callers []string
	if !callee.Private {
		callers = append(callers, edge.Name)
		if s.config.Edge.Directory() {
			callers = append(callers, directory.Name)
		}
	}
	for _, caller := range s.config.Services {
		if !slices.Contains(caller.Calls, callee.Name) {
			continue
		}
		callers = append(callers, caller.Name)
		if _, ok := s.config.Edge.Canaries[caller.Name]; ok {
			callers = append(callers, service.Canary(caller.Name))
		}
	}
	return callers
}

// files reads the files that the service needs from its folder.
func files(root string, declared catalog.Service) (map[string][]byte, error) {
	contents := map[string][]byte{}
	for target, name := range declared.Files {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(declared.Folder), filepath.FromSlash(name)))
		if err != nil {
			return nil, fmt.Errorf("reading a file of service %s: %w", declared.Name, err)
		}
		contents[target] = content
	}
	return contents, nil
}

// secrets returns the values of the service's secrets. The deployer reads a version in
// Secret Manager, once its API is usable, so the pods need no permission for it.
func (s *stack) secrets(ctx *pulumi.Context, declared catalog.Service) map[string]pulumi.StringInput {
	values := map[string]pulumi.StringInput{}
	for name, secret := range declared.Secrets {
		if secret.Version == "" {
			values[name] = pulumi.ToSecret(pulumi.String(secret.Value)).(pulumi.StringOutput)
			continue
		}
		project, id, version := secret.Parts(s.config.Project)
		access := secretmanager.GetSecretVersionAccessOutput(ctx, secretmanager.GetSecretVersionAccessOutputArgs{
			Project: pulumi.String(project), Secret: pulumi.String(id), Version: pulumi.String(version),
		}, s.ready)
		values[name] = pulumi.ToSecret(access.SecretData()).(pulumi.StringOutput)
	}
	return values
}

// grants grants the service's pods their roles, and returns the grants, which the pods
// depend on.
func (s *stack) grants(ctx *pulumi.Context, declared catalog.Service) ([]pulumi.Resource, error) {
	if len(declared.Roles) == 0 {
		return nil, nil
	}
	accounts := []string{account(ctx, declared.Name)}
	if _, ok := s.config.Edge.Canaries[declared.Name]; ok {
		accounts = append(accounts, account(ctx, service.Canary(declared.Name)))
	}
	granted, err := identity.New(ctx, declared.Name, &identity.Args{
		Project: s.config.Project, Namespace: namespaceName, Accounts: accounts,
		Roles: declared.Roles, Cluster: s.cluster.Provider, Ready: s.ready,
	})
	if err != nil {
		return nil, err
	}
	return granted.Grants, nil
}

// directory deploys the service that answers reflection and health for all public services.
func (s *stack) directory(ctx *pulumi.Context, space *namespace.Namespace, inCluster pulumi.ResourceOption) error {
	args := s.serviceArgs(ctx, directory.Name, s.config.Service, space)
	args.Image, args.Callers = s.references[directory.Name], []string{edge.Name}
	_, err := directory.New(ctx, directory.Name, &directory.Args{
		Service: args, Backends: backends(s.config), Descriptors: descriptorSet(s.config),
	}, inCluster)
	return err
}
