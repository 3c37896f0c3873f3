// Command infra is the Pulumi program: many gRPC services behind one address.
//
//	client ─ TLS ─> address ─> load balancer ─> Envoy pods ─> pods of each service
//
// It loads the configuration, creates the components in the order of their
// dependencies, and exports what a user needs to call the services.
package main

import (
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/sync/errgroup"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/attestation"
	"example.com/grpc-edge/infra/certificate"
	"example.com/grpc-edge/infra/cluster"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/delivery"
	"example.com/grpc-edge/infra/dns"
	"example.com/grpc-edge/infra/edge"
	"example.com/grpc-edge/infra/encryption"
	"example.com/grpc-edge/infra/image"
	"example.com/grpc-edge/infra/monitoring"
	"example.com/grpc-edge/infra/namespace"
	"example.com/grpc-edge/infra/network"
	"example.com/grpc-edge/infra/project"
	"example.com/grpc-edge/infra/protection"
	"example.com/grpc-edge/infra/registry"
	"example.com/grpc-edge/services/catalog"
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
	var edge envoy.Config
	c, err := config.Load(ctx, providerKeys(), func(c *config.Config, report config.Report) {
		edge = edgeConfig(c)
		c.CheckEdge(edge, serviceNames(c), report)
	})
	if err != nil {
		return nil, err
	}
	protected, err := protection.Watch(ctx)
	if err != nil {
		return nil, err
	}
	built, err := prepare(ctx, c, edge)
	if err != nil {
		return nil, err
	}
	s := &stack{config: c, edge: edge, built: built, images: map[string]*image.Image{}, references: map[string]pulumi.StringOutput{}}
	if err := s.platform(ctx); err != nil {
		return nil, err
	}
	if err := s.workloads(ctx); err != nil {
		return nil, err
	}
	if err := protected.Register(ctx, "deletionProtection", c.DeletionProtection); err != nil {
		return nil, err
	}
	return s.outputs()
}

// prepare builds the images while Envoy checks its configuration, before anything is changed. So a
// program that does not compile, or an edge that would not start, changes nothing.
func prepare(ctx *pulumi.Context, c *config.Config, edge envoy.Config) (built map[string]*image.Built, err error) {
	group, running := errgroup.WithContext(ctx.Context())
	group.Go(func() error { return askEnvoy(running, ctx.RootDirectory(), edge) })
	group.Go(func() (err error) {
		built, err = image.BuildAll(running, filepath.Join(ctx.RootDirectory(), ".cache", "built"), sources(ctx.RootDirectory(), c))
		return err
	})
	err = group.Wait()
	return built, err
}

// stack holds the configuration and what has been created so far.
type stack struct {
	config *config.Config
	edge   envoy.Config

	ready       pulumi.ResourceOrInvokeOption // once the APIs are usable
	network     *network.Network
	registry    *registry.Registry
	nodes       *cluster.NodeAccount
	cluster     *cluster.Cluster
	zoned       []pulumi.Resource  // Deployments whose pods Envoy finds by their zone
	delivery    *delivery.Delivery // nil without
	certificate *certificate.Certificate
	built       map[string]*image.Built // images to push, by name
	signer      *attestation.Signer     // nil without
	images      map[string]*image.Image
	references  map[string]pulumi.StringOutput // of images that pods may use, by name
}

// platform creates the resources of Google Cloud.
func (s *stack) platform(ctx *pulumi.Context) error {
	c := s.config
	apis, err := project.New(ctx, "project", &project.Args{Project: c.Project, More: optionalAPIs(c)})
	if err != nil {
		return err
	}
	s.ready = apis.Ready
	ready := s.ready
	s.network, err = network.New(ctx, "network", &network.Args{
		Region: c.Region,
		Nodes:  c.Network.Nodes, Pods: c.Network.Pods, Services: c.Network.Services,
		NAT: c.Network.NAT, GoogleAPIs: c.GoogleAPIs(), FlowLogs: c.Network.FlowLogs, DualStack: c.Network.DualStack,
		Labels: labels(c), Protect: c.DeletionProtection,
	}, ready)
	if err != nil {
		return err
	}
	var encrypted []pulumi.Resource
	if c.KMSKey != "" {
		key, err := encryption.New(ctx, "encryption", &encryption.Args{Project: c.Project, Key: c.KMSKey}, ready)
		if err != nil {
			return err
		}
		encrypted = key.Users
	}
	s.nodes, err = cluster.NewNodeAccount(ctx, "nodes", &cluster.NodeAccountArgs{Project: c.Project}, ready)
	if err != nil {
		return err
	}
	if c.Delivery.Enabled() {
		if err := s.deliver(ctx); err != nil {
			return err
		}
	}
	s.registry, err = registry.New(ctx, "registry", &registry.Args{
		Project: c.Project, Region: c.Region, Name: ctx.Project() + "-" + ctx.Stack(),
		Reader: s.nodes.Email,
		Images: c.Images, Manifests: image.Manifests, InUse: s.inUse(), Labels: labels(c), KMSKey: c.KMSKey,
		Protect: c.DeletionProtection,
	}, ready, pulumi.DependsOn(encrypted))
	if err != nil {
		return err
	}
	if err := s.push(ctx); err != nil {
		return err
	}
	s.cluster, err = cluster.New(ctx, "cluster", &cluster.Args{
		Cluster: c.Cluster, Project: c.Project,
		Network: s.network.ID, Subnet: s.network.SubnetID,
		PodsRange: network.PodsRange, ServicesRange: network.ServicesRange,
		ControlPlaneCIDR: c.Network.ControlPlane, DualStack: c.Network.DualStack, NodeAccount: s.nodes.Email,
		LeastVersion: leastVersion(c),
		Labels:       labels(c), KMSKey: c.KMSKey, BinaryAuthorization: c.BinaryAuthorization, FlowLogs: c.Network.FlowLogs,
		DeletionProtection: c.DeletionProtection,
		// Nodes use the roles of their account from their first minute to their last. So
		// the roles are granted before the nodes are created, and revoked after they are
		// deleted.
	}, pulumi.DependsOn(slices.Concat([]pulumi.Resource{s.nodes.Role}, s.registry.Readers, encrypted)))
	return err
}

// leastVersion returns the oldest Kubernetes version that supports the stack's settings, or
// empty for any. With zoneAware each zone's Service selects its pods by
// topology.kubernetes.io/zone, a label that pods have from 1.35 on (KEP-4742); below it
// every call would fail.
func leastVersion(c *config.Config) string {
	if c.Edge.ZoneAware {
		return "1.35"
	}
	return ""
}

// deliver creates the identities of CI.
func (s *stack) deliver(ctx *pulumi.Context) (err error) {
	c := s.config
	s.delivery, err = delivery.New(ctx, "delivery", &delivery.Args{
		Delivery: c.Delivery,
		Project:  c.Project, Region: c.Region, Stack: ctx.Stack(),
		NodeAccount: s.nodes.Email, KMSKey: c.KMSKey, SigningKey: c.SigningKey.Key, Approve: c.DeletionProtection,
		ServiceRoles: c.ServiceRoles(), ServiceSecrets: c.ServiceSecrets(), Ready: s.ready,
	}, s.ready)
	return err
}

// optionalAPIs lists the APIs that only some stacks need.
func optionalAPIs(c *config.Config) []string {
	var apis []string
	if c.BinaryAuthorization {
		apis = append(apis, "binaryauthorization.googleapis.com")
	}
	signed := c.SigningKey != config.SigningKey{}
	if signed {
		apis = append(apis, "containeranalysis.googleapis.com")
	}
	if signed || c.KMSKey != "" || c.Delivery.Enabled() { // a key encrypts Pulumi's secrets
		apis = append(apis, "cloudkms.googleapis.com")
	}
	if c.Delivery.Repository != "" { // workflows exchange their tokens for those of an account
		apis = append(apis, "iamcredentials.googleapis.com", "sts.googleapis.com")
	}
	if c.Delivery.CloudBuild.Name != "" {
		apis = append(apis, "cloudbuild.googleapis.com")
	}
	if c.Images.Scanning {
		apis = append(apis, "containerscanning.googleapis.com")
	}
	if c.Delivery.TokenSecret != "" || c.Images.DockerHub.User != "" || slices.ContainsFunc(c.Services, catalog.Service.UsesSecretManager) {
		apis = append(apis, "secretmanager.googleapis.com")
	}
	if c.GoogleAPIs() {
		apis = append(apis, "dns.googleapis.com")
	}
	if c.Certificate.Kind == config.CertificateAuthorityService {
		apis = append(apis, "privateca.googleapis.com")
	}
	if c.DNSZone != (config.DNSZone{}) {
		apis = append(apis, "dns.googleapis.com")
	}
	return apis
}

// labels returns the configured labels, or nil for none: an empty map would be a permanent
// diff.
func labels(c *config.Config) pulumi.StringMapInput {
	if len(c.Labels) == 0 {
		return nil
	}
	return pulumi.ToStringMap(c.Labels)
}

// workloads creates what runs in the cluster.
func (s *stack) workloads(ctx *pulumi.Context) error {
	c := s.config
	inCluster := pulumi.Providers(s.cluster.Provider)
	space, err := namespace.New(ctx, namespaceName, &namespace.Args{Name: namespaceName}, inCluster)
	if err != nil {
		return err
	}
	for _, declared := range c.Services {
		if err := s.service(ctx, declared, space, inCluster); err != nil {
			return err
		}
	}
	if c.Edge.Directory() {
		if err := s.directory(ctx, space, inCluster); err != nil {
			return err
		}
	}
	s.certificate, err = certificate.New(ctx, "certificate", &certificate.Args{
		Certificate: c.Certificate,
		DNSNames:    c.Authorities, IPAddresses: s.network.IPs(), Labels: labels(c),
		Namespace: space.Name, Workload: edge.Name, InCluster: s.cluster.Provider,
	})
	if err != nil {
		return err
	}
	answering, err := edge.New(ctx, "edge", &edge.Args{
		Namespace: space.Name,
		Image:     s.envoyImage(), LifecycleImage: s.references[lifecycleName],
		Replicas: c.EnvoyReplicas, Termination: c.Termination,
		Autopilot: c.Cluster.Autopilot, NodeSelector: cluster.NodeSelector(c.Cluster),
		Config: s.edge,
		Chain:  s.certificate.Chain, Key: s.certificate.Key, Secret: s.certificate.Secret,
		AddressNames:      s.network.AddressNames(),
		MetricsNamespaces: c.MetricsNamespaces, CollectorNamespace: collectorNamespace(c.OTLP),
		After: s.zoned,
	}, inCluster)
	if err != nil {
		return err
	}
	if err := s.records(ctx, answering); err != nil || !c.Monitoring.Enabled {
		return err
	}
	return s.monitoring(ctx, space, answering)
}

// records creates the DNS records of all names, once the edge answers to them.
func (s *stack) records(ctx *pulumi.Context, answering *edge.Edge) error {
	c := s.config
	if c.DNSZone == (config.DNSZone{}) {
		return nil
	}
	_, err := dns.New(ctx, "dns", &dns.Args{
		Zone: c.DNSZone, Names: c.Authorities, Addresses: s.network.Addresses, Ready: s.ready,
	}, pulumi.DependsOn([]pulumi.Resource{answering.LoadBalancer}))
	return err
}

// monitoring creates the monitoring of the edge, once the edge is there. The API server asks Google's
// operator about a new PodMonitoring (prometheus-engine before 0.16), and in the first minutes of a
// cluster the operator may not run yet.
func (s *stack) monitoring(ctx *pulumi.Context, space *namespace.Namespace, answering *edge.Edge) error {
	m := s.config.Monitoring
	_, err := monitoring.New(ctx, "monitoring", &monitoring.Args{
		Namespace: space.Name, NamespaceName: namespaceName, Workload: edge.Name,
		Title:      ctx.Project() + " " + ctx.Stack(),
		Cluster:    s.cluster.Name,
		Config:     s.edge,
		Emails:     m.Emails,
		Thresholds: monitoring.Thresholds{ErrorPercent: m.ErrorPercent, P99Milliseconds: m.P99Milliseconds},
		InCluster:  s.cluster.Provider,
	}, s.ready, pulumi.DependsOn([]pulumi.Resource{answering.LoadBalancer}))
	return err
}

func collectorNamespace(collector *config.Collector) string {
	if collector == nil {
		return ""
	}
	return collector.Namespace
}
