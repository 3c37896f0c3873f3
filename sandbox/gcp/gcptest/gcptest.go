// Package gcptest helps to test the APIs of the emulated Google Cloud: it opens clouds, fills them, and
// has a runtime that runs nothing.
package gcptest

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

// Runtime records what it is asked to run.
type Runtime struct {
	mu       sync.Mutex
	Clusters map[string]container.ClusterSpec
	Pools    map[string]container.NodePoolSpec // by cluster/pool
	Fail     error                             // returned by every start
	Started  chan struct{}                     // if set, StartCluster closes it and waits for finish or its context
	Finish   chan struct{}
}

// NewRuntime returns a runtime that has nothing to run.
func NewRuntime() *Runtime {
	return &Runtime{Clusters: map[string]container.ClusterSpec{}, Pools: map[string]container.NodePoolSpec{}}
}

// StartCluster implements container.Runtime.
func (r *Runtime) StartCluster(ctx context.Context, c container.ClusterSpec) (container.ClusterStatus, error) {
	if r.Started != nil {
		close(r.Started)
		select {
		case <-r.Finish:
		case <-ctx.Done():
			return container.ClusterStatus{}, context.Cause(ctx)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Clusters[c.Name] = c
	return container.ClusterStatus{Endpoint: netip.MustParseAddr("203.0.113.2"), CACertificate: []byte("PEM"), Version: "1.35.4-gke.1"}, r.Fail
}

// StopCluster implements container.Runtime.
func (r *Runtime) StopCluster(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.Clusters, name)
	return nil
}

// StartNodes implements container.Runtime.
func (r *Runtime) StartNodes(_ context.Context, p container.NodePoolSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.Clusters[p.Cluster]; !ok {
		return errors.New("no such cluster")
	}
	r.Pools[p.Cluster+"/"+p.Name] = p
	return r.Fail
}

// StopNodes implements container.Runtime.
func (r *Runtime) StopNodes(_ context.Context, cluster, pool string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.Pools, cluster+"/"+pool)
	return nil
}

// Here is the place of the tests' objects.
var Here = gcp.Place{Project: "test-project", Region: "us-central1"}

// Open opens the cloud of a folder, with all APIs and operations that take no time.
func Open(t *testing.T, dir string, rt container.Runtime, options ...gcp.Option) *gcp.Cloud {
	t.Helper()
	c, err := gcp.Open(dir, apis.All(rt), append([]gcp.Option{gcp.WithOperationTime(0)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Create creates an object.
func Create(t *testing.T, c *gcp.Cloud, kind gcp.Kind, config gcp.Properties) gcp.Object {
	t.Helper()
	o, err := c.Create(context.Background(), kind, Here, config)
	if err != nil {
		t.Fatalf("creating %s %v: %v", kind, config, err)
	}
	return o
}

// Remove deletes an object.
func Remove(t *testing.T, c *gcp.Cloud, name string) {
	t.Helper()
	if err := c.Delete(context.Background(), name); err != nil {
		t.Fatalf("Delete(%s) = %v, want nil", name, err)
	}
}

// Names of the objects that [Build] creates.
const (
	NetworkName    = "projects/test-project/global/networks/net"
	SubnetworkName = "projects/test-project/regions/us-central1/subnetworks/sub"
	AddressName    = "projects/test-project/regions/us-central1/addresses/ip"
	ClusterName    = "projects/test-project/locations/us-central1/clusters/gke"
	NodePoolName   = ClusterName + "/nodePools/pool"
	AccountEmail   = "nodes-account@test-project.iam.gserviceaccount.com"
)

// Enable enables every API that objects need.
func Enable(t *testing.T, c *gcp.Cloud) {
	t.Helper()
	for _, api := range []string{"compute", "container", "iam", "cloudresourcemanager", "artifactregistry", "monitoring", "cloudkms", "binaryauthorization", "containeranalysis", "cloudbuild", "privateca", "secretmanager", "dns"} {
		Create(t, c, gcp.KindService, gcp.Properties{"service": api + ".googleapis.com"})
	}
}

// Descriptions of the objects that [Build] creates.
var (
	SubnetConfig = gcp.Properties{"name": "sub", "network": NetworkName, "ipCidrRange": "10.0.0.0/20", "secondaryIpRanges": []any{
		gcp.Properties{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}, gcp.Properties{"rangeName": "services", "ipCidrRange": "10.8.0.0/20"},
	}}
	ClusterConfig = gcp.Properties{
		"name": "gke", "location": "us-central1", "network": NetworkName, "subnetwork": SubnetworkName,
		"initialNodeCount": 1, "removeDefaultNodePool": true,
		"ipAllocationPolicy":     gcp.Properties{"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
		"privateClusterConfig":   gcp.Properties{"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.0.16/28"},
		"workloadIdentityConfig": gcp.Properties{"workloadPool": "test-project.svc.id.goog"},
		"releaseChannel":         gcp.Properties{"channel": "REGULAR"},
	}
	PoolConfig = gcp.Properties{
		"name": "pool", "cluster": ClusterName, "nodeCount": 1,
		"nodeConfig": gcp.Properties{
			"machineType": "e2-standard-2", "serviceAccount": AccountEmail, "labels": gcp.Properties{"tier": "edge"},
		},
	}
)

// Build creates a project with one object of most kinds.
func Build(t *testing.T, c *gcp.Cloud) {
	t.Helper()
	Enable(t, c)
	Create(t, c, compute.KindNetwork, gcp.Properties{"name": "net", "autoCreateSubnetworks": false})
	Create(t, c, compute.KindSubnetwork, SubnetConfig)
	Create(t, c, compute.KindAddress, gcp.Properties{"name": "ip"})
	Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
	Create(t, c, artifactregistry.KindRepository, gcp.Properties{"repositoryId": "images", "format": "DOCKER", "location": "us-central1"})
	Create(t, c, container.KindCluster, ClusterConfig)
	Create(t, c, container.KindNodePool, PoolConfig)
}

// With returns a description with changes; nil removes a property.
func With(base gcp.Properties, changes gcp.Properties) gcp.Properties {
	p := base.Clone()
	for key, value := range changes {
		if value == nil {
			delete(p, key)
			continue
		}
		p[key] = value
	}
	return p
}

// Code returns the HTTP status of an answer, or 0.
func Code(err error) int {
	var e *gcp.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// ErrorText returns the text of an error, or "".
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// KeyName is the name of a key that is not granted to anybody.
const KeyName = "projects/test-project/locations/us-central1/keyRings/ring/cryptoKeys/key"

// Member is a principal that exists without being created: the default account of Compute Engine.
const Member = "serviceAccount:123456789012-compute@developer.gserviceaccount.com"

// CIEmail is the account of [Guarded].
const CIEmail = "ci-account@test-project.iam.gserviceaccount.com"

// Guarded returns a cloud in which an account has one custom role on the project.
func Guarded(t *testing.T, permissions ...any) (*gcp.Cloud, context.Context) {
	t.Helper()
	c := Open(t, t.TempDir(), NewRuntime())
	Build(t, c)
	Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "ci-account"})
	Create(t, c, iam.KindCustomRole, gcp.Properties{"roleId": "deploy", "title": "CI", "permissions": permissions})
	Create(t, c, iam.KindProjectMember, gcp.Properties{"role": "projects/test-project/roles/deploy", "member": "serviceAccount:" + CIEmail})
	return c, gcp.As(context.Background(), CIEmail)
}

// Refuser returns a function that checks that a creation is refused, and that nothing is left of it.
func Refuser(t *testing.T, c *gcp.Cloud) func(what string, kind gcp.Kind, config gcp.Properties, status int, want string) {
	return func(what string, kind gcp.Kind, config gcp.Properties, status int, want string) {
		t.Helper()
		before := strings.Join(c.Objects(), "\n")
		if _, err := c.Create(context.Background(), kind, Here, config); Code(err) != status || !strings.Contains(ErrorText(err), want) {
			t.Errorf("%s: Create = %v, want an error %d with %q", what, err, status, want)
		}
		if after := strings.Join(c.Objects(), "\n"); after != before {
			t.Errorf("%s: the refused creation left something:\n%s\nwant\n%s", what, after, before)
		}
	}
}
