// Command infra is the Pulumi program: many gRPC services behind one address.
//
//	client ─ TLS ─> address ─> load balancer ─> Envoy pods ─> pods of each service
//
// It loads the configuration, joins the components in the order in which they
// need each other, and exports what a user needs to call the services.
package main

import (
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"grpc-edge/infra/certificate"
	"grpc-edge/infra/cluster"
	"grpc-edge/infra/config"
	"grpc-edge/infra/edge"
	"grpc-edge/infra/image"
	"grpc-edge/infra/namespace"
	"grpc-edge/infra/network"
	"grpc-edge/infra/project"
	"grpc-edge/infra/registry"
	"grpc-edge/infra/service"
)

// namespaceName is the Kubernetes namespace of everything in the cluster.
const namespaceName = "grpc-edge"

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	outputs, err := deploy(ctx)
	for name, value := range outputs {
		ctx.Export(name, value)
	}
	return err
}

// deploy describes everything and returns the outputs of the stack.
func deploy(ctx *pulumi.Context) (pulumi.Map, error) {
	c, err := config.Load(ctx)
	if err != nil {
		return nil, err
	}
	s := &stack{config: c}
	if err := s.platform(ctx); err != nil {
		return nil, err
	}
	if err := s.workloads(ctx); err != nil {
		return nil, err
	}
	return s.outputs()
}

// stack is what has been created so far.
type stack struct {
	config *config.Config

	network     *network.Network
	registry    *registry.Registry
	cluster     *cluster.Cluster
	certificate *certificate.Certificate
	images      map[string]*image.Image
}

// platform is what Google Cloud provides.
func (s *stack) platform(ctx *pulumi.Context) error {
	c := s.config
	apis, err := project.New(ctx, "project", &project.Args{})
	if err != nil {
		return err
	}
	ready := pulumi.DependsOn(apis.APIs)
	s.network, err = network.New(ctx, "network", &network.Args{
		Region: c.Region,
		Nodes:  c.Network.Nodes, Pods: c.Network.Pods, Services: c.Network.Services,
		Protect: c.DeletionProtection,
	}, ready)
	if err != nil {
		return err
	}
	account, err := cluster.NewNodeAccount(ctx, "nodes", &cluster.NodeAccountArgs{Project: c.Project}, ready)
	if err != nil {
		return err
	}
	s.registry, err = registry.New(ctx, "registry", &registry.Args{
		Project: c.Project, Region: c.Region, Name: ctx.Project() + "-" + ctx.Stack(),
		Reader:  account.Email,
		Protect: c.DeletionProtection,
	}, ready)
	if err != nil {
		return err
	}
	s.cluster, err = cluster.New(ctx, "cluster", &cluster.Args{
		Project: c.Project, Location: c.Cluster.Location, ReleaseChannel: c.Cluster.ReleaseChannel,
		Network: s.network.ID, Subnet: s.network.SubnetID,
		PodsRange: network.PodsRange, ServicesRange: network.ServicesRange,
		ControlPlaneCIDR:   c.Network.ControlPlane,
		AuthorizedNetworks: c.Cluster.AuthorizedNetworks,
		NodeAccount:        account.Email,
		MachineType:        c.Cluster.MachineType, Architecture: c.Cluster.Architecture,
		NodeCount: c.Cluster.NodeCount, NodeDiskGB: c.Cluster.NodeDiskGB, Spot: c.Cluster.Spot,
		DeletionProtection: c.DeletionProtection,
		// Nodes use the roles of their account from their first minute to their last:
		// what they may do is granted before they come, and taken back after they go.
	}, ready, pulumi.DependsOn(append([]pulumi.Resource{account.Role}, s.registry.Readers...)))
	return err
}

// workloads is what runs in the cluster.
func (s *stack) workloads(ctx *pulumi.Context) error {
	c := s.config
	inCluster := pulumi.Providers(s.cluster.Provider)
	space, err := namespace.New(ctx, namespaceName, &namespace.Args{Name: namespaceName}, inCluster)
	if err != nil {
		return err
	}
	s.images = map[string]*image.Image{}
	for _, e := range services {
		if err := s.service(ctx, e, space, inCluster); err != nil {
			return err
		}
	}
	s.certificate, err = certificate.New(ctx, "certificate", &certificate.Args{
		DNSName: c.Authority, IPAddress: s.network.Address,
		Chain: c.Certificate.PEM, Key: c.Certificate.KeyPEM,
	})
	if err != nil {
		return err
	}
	_, err = edge.New(ctx, "edge", &edge.Args{
		Namespace: space.Name,
		Image:     s.registry.DockerHub + "/envoyproxy/envoy@" + c.EnvoyDigest,
		Replicas:  c.EnvoyReplicas,
		Backends:  backends(services),
		Chain:     s.certificate.Chain, Key: s.certificate.Key,
		AddressName:       s.network.AddressName,
		MetricsNamespaces: c.MetricsNamespaces,
	}, inCluster)
	return err
}

// service is one service, from its source to its pods.
func (s *stack) service(ctx *pulumi.Context, e entry, space *namespace.Namespace, inCluster pulumi.ResourceOption) error {
	c := s.config
	built, err := image.New(ctx, e.Name(), &image.Args{
		Source: image.Source{
			Dir:  filepath.Join(ctx.RootDirectory(), filepath.FromSlash(e.Folder)),
			Name: e.Name(), Architecture: c.Cluster.Architecture,
		},
		Repository: s.registry.Images,
		Ready:      s.registry.Ready,
	})
	if err != nil {
		return err
	}
	s.images[e.Name()] = built
	_, err = service.New(ctx, e.Name(), &service.Args{
		Namespace: space.Name, Name: e.Name(),
		Image:    built.Reference,
		Replicas: c.ServiceReplicas, MinReadySeconds: c.ServiceMinReadySeconds,
		Caller: edge.Name,
		OTLP:   c.OTLP,
	}, inCluster)
	return err
}
