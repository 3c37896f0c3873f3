package container

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
)

// Runtime runs on this machine what the emulated cloud describes.
type Runtime interface {
	// StartCluster starts a control plane and returns once its API server is
	// ready. It is idempotent. A running one gets the custom resources that it lacks, and its
	// enforcement of Binary Authorization is turned on or off.
	StartCluster(ctx context.Context, c ClusterSpec) (ClusterStatus, error)
	// StopCluster stops a cluster with all its nodes and forgets its data. It is idempotent.
	StopCluster(ctx context.Context, name string) error
	// StartNodes makes the pool have exactly Count ready nodes. It is idempotent.
	StartNodes(ctx context.Context, p NodePoolSpec) error
	// StopNodes removes a pool's nodes. It is idempotent.
	StopNodes(ctx context.Context, cluster, pool string) error
}

// ClusterSpec describes a control plane.
type ClusterSpec struct {
	Name, Project, Location string
	// SubnetCIDR is the range of the nodes' addresses.
	SubnetCIDR, PodCIDR, ServiceCIDR netip.Prefix
	// ControlPlaneCIDR is masterIpv4CidrBlock, or 172.16.0.0/28 for a cluster
	// that names none.
	ControlPlaneCIDR netip.Prefix
	// ManagedPrometheus is true if the cluster has the custom resources of managed
	// collection. Those that a running cluster has stay when it becomes false.
	ManagedPrometheus bool
	// Autopilot has the cluster change and refuse pods as Autopilot does.
	Autopilot bool
	// BinaryAuthorization is true if pods run only as the project's policy allows, see
	// package binaryauthorization.
	BinaryAuthorization bool
	// DualStack is true if nodes and pods have IPv6 addresses too.
	DualStack bool
	// WorkloadIdentity is true if pods have identities of their own, see [gcp.WorkloadPrincipal].
	WorkloadIdentity bool
}

// FullName returns the cluster's relative resource name.
func (c ClusterSpec) FullName() string {
	return "projects/" + c.Project + "/locations/" + c.Location + "/clusters/" + c.Name
}

// ClusterStatus describes how to reach a started control plane.
type ClusterStatus struct {
	Endpoint netip.Addr
	// CACertificate is PEM.
	CACertificate []byte
	// Version is the control plane's, such as 1.35.4-gke.1000.
	Version string
}

// NodePoolSpec describes the nodes of a pool.
type NodePoolSpec struct {
	Cluster, Name string
	// Count is the number of nodes in all Zones together.
	Count          int
	Zones          []string
	MachineType    string
	ServiceAccount string // email
	ImageType      string
	// PodMetadata is true if a pod gets its own identity from the metadata server, or none,
	// and not that of its node (GKE_METADATA).
	PodMetadata bool
	Labels      map[string]string // Kubernetes labels
}

// resume starts the clusters and nodes that the state describes.
func resume(ctx context.Context, rt Runtime, c *gcp.Cloud) error {
	var errs []error
	v, done := c.View()
	clusters, pools := v.All(KindCluster, ""), v.All(KindNodePool, "")
	done()
	for _, cluster := range clusters {
		if err := startCluster(ctx, rt, c, cluster); err != nil {
			errs = append(errs, fmt.Errorf("resuming %s: %w", cluster.Name, err))
		}
	}
	for _, pool := range pools {
		if err := rt.StartNodes(ctx, nodePoolSpec(pool)); err != nil {
			errs = append(errs, fmt.Errorf("resuming %s: %w", pool.Name, err))
		}
	}
	return errors.Join(errs...)
}

// startCluster starts a cluster, with its default pool if it keeps that, and
// records how it is reached.
func startCluster(ctx context.Context, rt Runtime, c *gcp.Cloud, cluster *gcp.Object) error {
	v, done := c.View()
	spec, err := clusterSpec(v, cluster)
	done()
	if err != nil {
		return err
	}
	status, err := rt.StartCluster(ctx, spec)
	if err != nil {
		return err
	}
	if pool := defaultPool(cluster); pool != nil {
		if err := rt.StartNodes(ctx, nodePoolSpec(pool)); err != nil {
			return err
		}
	}
	_, done = c.View()
	defer done()
	endpoint := status.Endpoint.String()
	cluster.Status.Merge(gcp.Properties{
		"endpoint":             endpoint,
		"masterVersion":        status.Version,
		"masterAuth":           gcp.Properties{"clusterCaCertificate": base64.StdEncoding.EncodeToString(status.CACertificate)},
		"privateClusterConfig": gcp.Properties{"privateEndpoint": compute.Nth(spec.ControlPlaneCIDR, 2).String(), "publicEndpoint": endpoint},
	})
	return nil
}
