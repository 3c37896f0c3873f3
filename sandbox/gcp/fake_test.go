package gcp

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// fakeRuntime records what it is asked to run.
type fakeRuntime struct {
	mu       sync.Mutex
	clusters map[string]ClusterSpec
	pools    map[string]NodePoolSpec // by cluster/pool
	fail     error                   // returned by every start
	started  chan struct{}           // if set, StartCluster closes it and waits for finish or its context
	finish   chan struct{}
}

func newFakeRuntime() *fakeRuntime {
	return &fakeRuntime{clusters: map[string]ClusterSpec{}, pools: map[string]NodePoolSpec{}}
}

func (r *fakeRuntime) StartCluster(ctx context.Context, c ClusterSpec) (ClusterStatus, error) {
	if r.started != nil {
		close(r.started)
		select {
		case <-r.finish:
		case <-ctx.Done():
			return ClusterStatus{}, context.Cause(ctx)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clusters[c.Name] = c
	return ClusterStatus{Endpoint: netip.MustParseAddr("203.0.113.2"), CACertificate: []byte("PEM"), Version: "1.34.4-gke.1"}, r.fail
}

func (r *fakeRuntime) StopCluster(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, name)
	return nil
}

func (r *fakeRuntime) StartNodes(_ context.Context, p NodePoolSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.clusters[p.Cluster]; !ok {
		return errors.New("no such cluster")
	}
	r.pools[p.Cluster+"/"+p.Name] = p
	return r.fail
}

func (r *fakeRuntime) StopNodes(_ context.Context, cluster, pool string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pools, cluster+"/"+pool)
	return nil
}

// here is the place of the tests' objects.
var here = Place{Project: "test-project", Region: "us-central1"}

func open(t *testing.T, dir string, rt Runtime, options ...Option) *Cloud {
	t.Helper()
	c, err := Open(dir, All(rt), append([]Option{WithOperationTime(0)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t *testing.T, c *Cloud, kind Kind, config Properties) Object {
	t.Helper()
	o, err := c.Create(context.Background(), kind, here, config)
	if err != nil {
		t.Fatalf("creating %s %v: %v", kind, config, err)
	}
	return o
}

func remove(t *testing.T, c *Cloud, name string) {
	t.Helper()
	if err := c.Delete(context.Background(), name); err != nil {
		t.Fatalf("Delete(%s) = %v, want nil", name, err)
	}
}

const (
	networkName  = "projects/test-project/global/networks/net"
	subnetName   = "projects/test-project/regions/us-central1/subnetworks/sub"
	addressName  = "projects/test-project/regions/us-central1/addresses/ip"
	clusterPath  = "projects/test-project/locations/us-central1/clusters/gke"
	poolPath     = clusterPath + "/nodePools/pool"
	accountEmail = "nodes-account@test-project.iam.gserviceaccount.com"
)

// enable enables every API that objects need.
func enable(t *testing.T, c *Cloud) {
	t.Helper()
	for _, api := range []string{"compute", "container", "iam", "cloudresourcemanager", "artifactregistry", "monitoring", "cloudkms", "binaryauthorization", "containeranalysis", "cloudbuild", "privateca", "secretmanager", "dns"} {
		create(t, c, KindService, Properties{"service": api + ".googleapis.com"})
	}
}

var (
	subnetConfig = Properties{"name": "sub", "network": networkName, "ipCidrRange": "10.0.0.0/20", "secondaryIpRanges": []any{
		Properties{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}, Properties{"rangeName": "services", "ipCidrRange": "10.8.0.0/20"},
	}}
	clusterConfig = Properties{
		"name": "gke", "location": "us-central1", "network": networkName, "subnetwork": subnetName,
		"initialNodeCount": 1, "removeDefaultNodePool": true,
		"ipAllocationPolicy":     Properties{"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
		"privateClusterConfig":   Properties{"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.0.16/28"},
		"workloadIdentityConfig": Properties{"workloadPool": "test-project.svc.id.goog"},
		"releaseChannel":         Properties{"channel": "REGULAR"},
	}
	poolConfig = Properties{
		"name": "pool", "cluster": clusterPath, "nodeCount": 1,
		"nodeConfig": Properties{
			"machineType": "e2-standard-2", "serviceAccount": accountEmail, "labels": Properties{"tier": "edge"},
			"taints": []any{Properties{"key": "dedicated", "value": "edge", "effect": "NO_SCHEDULE"}},
		},
	}
)

// build creates a project with one object of most kinds.
func build(t *testing.T, c *Cloud) {
	t.Helper()
	enable(t, c)
	create(t, c, KindNetwork, Properties{"name": "net", "autoCreateSubnetworks": false})
	create(t, c, KindSubnetwork, subnetConfig)
	create(t, c, KindAddress, Properties{"name": "ip"})
	create(t, c, KindServiceAccount, Properties{"accountId": "nodes-account"})
	create(t, c, KindRepository, Properties{"repositoryId": "images", "format": "DOCKER", "location": "us-central1"})
	create(t, c, KindCluster, clusterConfig)
	create(t, c, KindNodePool, poolConfig)
}

// with returns a description with changes; nil removes a property.
func with(base Properties, changes Properties) Properties {
	p := base.clone()
	for key, value := range changes {
		if value == nil {
			delete(p, key)
			continue
		}
		p[key] = value
	}
	return p
}

func code(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

const testKey = "projects/test-project/locations/us-central1/keyRings/ring/cryptoKeys/key"

const ciEmail = "ci-account@test-project.iam.gserviceaccount.com"

// guarded returns a cloud in which an account has one custom role on the project.
func guarded(t *testing.T, permissions ...any) (*Cloud, context.Context) {
	t.Helper()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	create(t, c, KindServiceAccount, Properties{"accountId": "ci-account"})
	create(t, c, KindCustomRole, Properties{"roleId": "deploy", "title": "CI", "permissions": permissions})
	create(t, c, KindProjectMember, Properties{"role": "projects/test-project/roles/deploy", "member": "serviceAccount:" + ciEmail})
	return c, As(context.Background(), ciEmail)
}

// refuser returns a function that checks that a creation is refused, and that nothing is left of it.
func refuser(t *testing.T, c *Cloud) func(what string, kind Kind, config Properties, status int, want string) {
	return func(what string, kind Kind, config Properties, status int, want string) {
		t.Helper()
		before := strings.Join(c.Objects(), "\n")
		if _, err := c.Create(context.Background(), kind, here, config); code(err) != status || !strings.Contains(errorText(err), want) {
			t.Errorf("%s: Create = %v, want an error %d with %q", what, err, status, want)
		}
		if after := strings.Join(c.Objects(), "\n"); after != before {
			t.Errorf("%s: the refused creation left something:\n%s\nwant\n%s", what, after, before)
		}
	}
}
