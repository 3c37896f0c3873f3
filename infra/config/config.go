// Package config reads the program's configuration into one checked struct. After [Load] no
// other package has to check a value.
//
// The keys are declared in Pulumi.yaml, with their defaults and descriptions, and nowhere
// else. Pulumi passes the defaults to the program, so a key without a value is an error
// here. See [declared] for the one place where it matters whether a value is the default.
package config

import (
	"fmt"
	"os"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config/declared"
	"example.com/grpc-edge/services/catalog"
)

// Config is the whole configuration of a stack.
type Config struct {
	// Project is the ID of the Google Cloud project (gcp:project).
	Project string
	// Region holds all regional resources (gcp:region), such as us-central1.
	Region string
	// Authorities lists the DNS names that clients call, at least one. Commands that are
	// shown to people use the first.
	Authorities []string
	// DNSZone gets a record for each authority.
	DNSZone DNSZone
	// DeletionProtection prevents the deletion of resources that hold state or are hard to
	// recreate.
	DeletionProtection bool

	// Labels are set on everything that Google bills and that supports labels.
	Labels map[string]string
	// KMSKey is the resource name of the Cloud KMS key that encrypts the cluster's
	// secrets, the nodes' disks and the repositories; empty for Google's own keys.
	KMSKey string
	// BinaryAuthorization lets only images of the stack's repositories run. With a
	// SigningKey, the stack's own images must also be signed with it.
	BinaryAuthorization bool
	SigningKey          SigningKey

	Network     Network
	Images      Images
	Cluster     Cluster
	Certificate Certificate
	Edge        Edge
	Monitoring  Monitoring
	Delivery    Delivery

	// EnvoyDigest is the digest of envoyproxy/envoy on Docker Hub, with sha256:.
	EnvoyDigest string
	// EnvoyReplicas is the number of Envoy's pods.
	EnvoyReplicas Replicas
	// Termination is the grace period of an Envoy pod. Everything that the pod does while
	// it stops gets a share of it.
	Termination time.Duration
	// Services lists the gRPC services of the repository, ordered by name.
	Services []catalog.Service
	// Service holds the defaults for services.
	Service catalog.Spec
	// MetricsNamespaces lists the Kubernetes namespaces that may scrape Envoy.
	MetricsNamespaces []string
	// OTLP is the collector that services export telemetry to; nil for none.
	OTLP *Collector
}

// Network holds the address ranges, as CIDR blocks that do not overlap.
type Network struct {
	Nodes, Pods, Services, ControlPlane string
	// NAT lets nodes and pods reach the internet.
	NAT bool
	// FlowLogs makes VPC Flow Logs keep a sample of the connections.
	FlowLogs bool
	// DualStack gives the subnet, the nodes and the pods IPv6 addresses too, and the edge one
	// that clients call.
	DualStack bool
}

// Cluster describes the GKE cluster and its nodes.
type Cluster struct {
	// Autopilot leaves the nodes to GKE. Of the node settings below, only Spot applies
	// then.
	Autopilot bool
	// Location is a zone, or the region for a regional cluster.
	Location       string
	ReleaseChannel string
	// AuthorizedNetworks lists the CIDR blocks that may reach the Kubernetes API.
	AuthorizedNetworks []string
	// DNSEndpoint makes the Kubernetes API reachable by a DNS name, with IAM, and by no IP
	// address.
	DNSEndpoint bool
	Maintenance Maintenance
	// Logging lists the components whose logs are kept.
	Logging []string
	// SecurityPosture makes GKE look for weak settings.
	SecurityPosture bool
	MachineType     string
	// Architecture is a GOARCH.
	Architecture string
	// Zones lists the zones of the nodes; empty leaves the choice to GKE.
	Zones []string
	// NodeCount is the number of nodes in each zone. With NodeCountMax it is the minimum,
	// and GKE adds nodes up to NodeCountMax. A NodeCountMax of 0 turns autoscaling off.
	NodeCount, NodeCountMax int
	NodeDiskGB              int
	Spot                    bool
}

// Collector is an OpenTelemetry collector in the cluster.
type Collector struct {
	// Endpoint is the URL as configured. Host is the host name in it.
	Endpoint, Host string
	// Namespace and Port are the destination that a NetworkPolicy has to allow. Port is the
	// port of both the collector's pods and its Service.
	Namespace string
	Port      int
}

// Report records that a key is wrong. The message follows the key and says what the value
// must be. A message that begins with [ or . is about a part of the value, such as
// "[0].service is …". Of several messages about the same part, only the first is kept.
type Report func(key, format string, args ...any)

// Check compares a configuration with what only the caller of [Load] knows, such as which
// gRPC services exist. The values may be wrong. A value that is wrong by itself is already
// reported, and another report about it is dropped.
type Check func(c *Config, report Report)

// Load reads and checks the configuration of the stack. Providers lists the keys of each
// other namespace that something reads. The error lists every wrong, missing and unknown
// key, including those that the checks report, each with its allowed values. A value that
// works for only a few clients is logged as a warning.
func Load(ctx *pulumi.Context, providers map[string][]string, checks ...Check) (*Config, error) {
	defaults, err := declared.Defaults(ctx.RootDirectory())
	if err != nil {
		return nil, err
	}
	r := newReader(ctx.GetConfig, ctx.IsConfigSecret, os.Getenv(pulumi.EnvConfig))
	r.defaults, r.providers, r.root = defaults, providers, ctx.RootDirectory()
	c := r.read()
	r.checkStackName(ctx.Stack(), c.Delivery)
	for _, check := range checks {
		check(c, r.report)
	}
	if len(r.problems) > 0 {
		return nil, fmt.Errorf("checking the configuration of stack %q:\n%w", ctx.Stack(), r.err())
	}
	for _, warning := range r.warnings {
		if err := ctx.Log.Warn(warning, nil); err != nil {
			return nil, fmt.Errorf("logging a warning about the configuration: %w", err)
		}
	}
	return c, nil
}

// read fills the struct, one group of keys after the other.
func (r *reader) read() *Config {
	c := &Config{
		Project:            r.match("gcp:project", projectID, "the ID of a project, such as my-project-1"),
		Region:             r.match("gcp:region", region, "a region, such as us-central1"),
		Authorities:        r.authorities(),
		DeletionProtection: r.boolean("grpc-edge:deletionProtection"),
		Labels:             r.labels(),
		Network:            r.network(),
		Images: Images{
			RetentionDays: r.integer("grpc-edge:imageRetentionDays", 1, 3650),
			KeepVersions:  r.integer("grpc-edge:imageKeepVersions", 2, 1000),
			Scanning:      r.boolean("grpc-edge:imageScanning"),
			DockerHub:     r.dockerHub(),
		},
		BinaryAuthorization: r.boolean("grpc-edge:binaryAuthorization"),
		EnvoyDigest:         r.match("grpc-edge:envoyDigest", digest, "sha256: and 64 hexadecimal digits"),
		EnvoyReplicas:       r.replicas("grpc-edge:envoyReplicas"),

		MetricsNamespaces: r.list("grpc-edge:metricsNamespaces", 0, label, "names of Kubernetes namespaces"),
		OTLP:              r.collector("grpc-edge:otlpEndpoint"),
		Edge:              r.edge(),
		Monitoring:        r.monitoring(),
		Termination:       r.seconds("grpc-edge:terminationSeconds", 10, 3600),
	}
	c.DNSZone = r.dnsZone(c.Project)
	c.KMSKey = r.kms(c.Region)
	c.SigningKey = r.signingKey(c.BinaryAuthorization)
	c.Delivery = r.delivery(c.Project, c.DeletionProtection)
	c.Network.NAT = r.boolean("grpc-edge:nat")
	c.Network.FlowLogs = r.boolean("grpc-edge:flowLogs")
	c.Network.DualStack = r.boolean("grpc-edge:dualStack")
	c.Cluster = r.cluster(c.Region)
	r.checkNodeCounts(c.Cluster)
	r.checkPods(c)
	r.checkNotice(c)
	r.checkZones(c)
	c.Certificate = r.certificate(c.Authorities)
	c.Service = r.serviceDefaults()
	c.Services = r.services(c)
	r.checkRoles(c)
	r.refuseUnknown()
	return c
}

// checkNotice warns of pods that still accept calls, for 40 % of their time, when a spot machine
// stops: of its notice of 30 s, 15 s are for pods, however long they may take (GKE, "Spot VMs").
func (r *reader) checkNotice(c *Config) {
	const longest = 30 * time.Second // less 5 s for Kubernetes: 10 s of accepting leave 5 s to finish
	if c.Cluster.Spot && c.Termination > longest {
		r.warnings = append(r.warnings, fmt.Sprintf("grpc-edge:terminationSeconds is %.0f, but with grpc-edge:nodeSpot pods have 15 seconds when Google stops their machine, "+
			"and would lose the calls that they still accept; choose at most %.0f", c.Termination.Seconds(), longest.Seconds()))
	}
}

func (r *reader) cluster(region string) Cluster {
	autopilot := r.autopilot()
	dns := r.boolean("grpc-edge:dnsEndpoint")
	return Cluster{
		Autopilot:          autopilot,
		Location:           r.location("grpc-edge:clusterLocation", region),
		ReleaseChannel:     r.oneOf("grpc-edge:releaseChannel", "RAPID", "REGULAR", "STABLE"),
		AuthorizedNetworks: r.authorizedNetworks("grpc-edge:authorizedNetworks", dns),
		DNSEndpoint:        dns,
		Maintenance:        r.maintenance(),
		Logging:            r.logging(),
		SecurityPosture:    r.boolean("grpc-edge:securityPosture"),
		MachineType:        r.match("grpc-edge:nodeMachineType", machineType, "a machine type, such as e2-standard-2"),
		Architecture:       r.architecture("grpc-edge:nodeArchitecture", "grpc-edge:nodeMachineType"),
		Zones:              r.zones("grpc-edge:nodeZones", region),
		NodeCount:          r.integer("grpc-edge:nodeCount", 1, 1000),
		NodeCountMax:       r.integer("grpc-edge:nodeCountMax", 0, 1000),
		NodeDiskGB:         r.integer("grpc-edge:nodeDiskGb", 20, 65536),
		Spot:               r.boolean("grpc-edge:nodeSpot"),
	}
}
