package gcp_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

func TestEveryKindNamesItsPermissions(t *testing.T) {
	for _, api := range apis.All(nil) {
		for _, resource := range api.Kinds {
			for _, verb := range []gcp.Verb{gcp.VerbCreate, gcp.VerbGet, gcp.VerbUpdate, gcp.VerbDelete} {
				if _, known := resource.Permissions[verb]; !known {
					t.Errorf("no permission is known that %s of %s needs", verb, resource.Kind)
				}
			}
		}
	}
}

func TestRefusalsNamePermissionAndResource(t *testing.T) {
	c, ctx := gcptest.Guarded(t, "compute.networks.create", "container.clusters.update", "container.operations.get")
	for _, test := range []struct {
		call func() error
		want string
	}{
		{func() error { _, err := c.Read(ctx, compute.KindNetwork, gcptest.NetworkName); return err },
			"googleapi: Error 403: Required 'compute.networks.get' permission for '" + gcptest.NetworkName + "', forbidden"},
		{func() error {
			_, err := c.Create(ctx, compute.KindNetwork, gcptest.Here, gcp.Properties{"name": "other"})
			return err
		}, "googleapi: Error 403: Required 'compute.globalOperations.get' permission for 'projects/test-project', forbidden"},
		{func() error { return c.Delete(ctx, gcptest.SubnetworkName) },
			"googleapi: Error 403: Required 'compute.subnetworks.delete' permission for '" + gcptest.SubnetworkName + "', forbidden"},
		{func() error { return c.Delete(ctx, gcptest.ClusterName) },
			"googleapi: Error 403: Required \"container.clusters.get\" permission(s) for \"" + gcptest.ClusterName + "\"., forbidden"},
		{func() error {
			_, err := c.Create(ctx, container.KindNodePool, gcptest.Here, gcptest.With(gcptest.PoolConfig, gcp.Properties{"name": "more"}))
			return err
		}, "googleapi: Error 403: Permission 'iam.serviceAccounts.actAs' denied on resource " +
			"'//iam.googleapis.com/projects/test-project/serviceAccounts/" + gcptest.AccountEmail + "' (or it may not exist)., forbidden"},
		{func() error {
			_, err := c.Create(ctx, iam.KindProjectMember, gcptest.Here, gcp.Properties{"role": "roles/viewer", "member": gcptest.Member})
			return err
		}, "googleapi: Error 403: Permission 'resourcemanager.projects.getIamPolicy' denied on resource " +
			"'//cloudresourcemanager.googleapis.com/projects/test-project' (or it may not exist)., forbidden"},
	} {
		if err := test.call(); err == nil || err.Error() != test.want {
			t.Errorf("error = %v\nwant    %s", err, test.want)
		}
	}
}

func TestRolesCountWhereTheyAreGranted(t *testing.T) {
	c, ctx := gcptest.Guarded(t)
	account := "projects/test-project/serviceAccounts/" + gcptest.AccountEmail
	pool := gcp.Call{Verb: gcp.VerbCreate, Kind: container.KindNodePool, Name: gcptest.NodePoolName, Config: gcptest.PoolConfig}
	gcptest.Create(t, c, iam.KindProjectMember, gcp.Properties{"role": "roles/container.admin", "member": "serviceAccount:" + gcptest.CIEmail})
	gcptest.Create(t, c, iam.KindProjectMember, gcp.Properties{"role": "roles/viewer", "member": "serviceAccount:" + gcptest.CIEmail})
	if err := c.Authorize(ctx, pool); err == nil || !strings.Contains(err.Error(), "iam.serviceAccounts.actAs") {
		t.Errorf("without the right to act as the nodes' account: %v, want it to be named", err)
	}
	gcptest.Create(t, c, iam.KindAccountMember, gcp.Properties{"serviceAccountId": account, "role": "roles/iam.serviceAccountUser", "member": "serviceAccount:" + gcptest.CIEmail})
	if err := c.Authorize(ctx, pool); err != nil {
		t.Errorf("with roles/iam.serviceAccountUser on the account alone: %v, want nil", err)
	}
	other := gcptest.With(gcptest.PoolConfig, gcp.Properties{"nodeConfig": gcp.Properties{"serviceAccount": gcptest.CIEmail}})
	if err := c.Authorize(ctx, gcp.Call{Verb: gcp.VerbCreate, Kind: container.KindNodePool, Name: gcptest.NodePoolName, Config: other}); gcptest.Code(err) != 403 {
		t.Errorf("nodes as another account: %v, want 403", err)
	}
	if err := c.Authorize(gcp.As(ctx, "nobody@test-project.iam.gserviceaccount.com"), pool); gcptest.Code(err) != 404 {
		t.Errorf("an account that does not exist: %v, want 404", err)
	}
}

func TestCustomRoleTakesPartAtOnce(t *testing.T) {
	c, ctx := gcptest.Guarded(t, "compute.networks.list")
	role := "projects/test-project/roles/deploy"
	for _, test := range []struct {
		change gcp.Properties
		want   int
	}{
		{gcp.Properties{"permissions": []any{"compute.networks.get"}}, 0},
		{gcp.Properties{"permissions": []any{"compute.networks.get"}, "stage": "DISABLED"}, 403},
	} {
		if _, err := c.Update(context.Background(), role, gcptest.Here, gcptest.With(gcp.Properties{"roleId": "deploy", "title": "CI"}, test.change)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(ctx, compute.KindNetwork, gcptest.NetworkName); gcptest.Code(err) != test.want {
			t.Errorf("reading with %v = %v, want code %d", test.change, err, test.want)
		}
	}
}

// TestCallsBesidesTheMethod pins down what the Terraform provider asks for besides the
// method that a call is named after, each by the file where it does.
func TestCallsBesidesTheMethod(t *testing.T) {
	c, ctx := gcptest.Guarded(t, "cloudkms.cryptoKeyVersions.get", "cloudkms.cryptoKeyVersions.viewPublicKey")
	cluster := gcp.Call{Kind: container.KindCluster, Name: gcptest.ClusterName, Config: gcptest.ClusterConfig}
	pool := gcp.Call{Kind: container.KindNodePool, Name: gcptest.NodePoolName, Config: gcptest.PoolConfig}
	subnet := gcp.Call{Kind: compute.KindSubnetwork, Name: gcptest.SubnetworkName, Config: gcptest.SubnetConfig}
	address := gcp.Call{Kind: compute.KindAddress, Name: gcptest.AddressName, Config: gcp.Properties{"subnetwork": gcptest.SubnetworkName}}
	identities := gcp.Call{Kind: iam.KindIdentityPool, Name: "projects/test-project/locations/global/workloadIdentityPools/ci"}
	for _, test := range []struct {
		call       gcp.Call
		verbs      []gcp.Verb
		permission string
		source     string
	}{
		{cluster, []gcp.Verb{gcp.VerbCreate, gcp.VerbGet, gcp.VerbUpdate}, "compute.instanceGroupManagers.list", "container/resource_container_node_pool.go: refreshIfNeeded"},
		{pool, []gcp.Verb{gcp.VerbCreate, gcp.VerbGet, gcp.VerbUpdate}, "compute.instanceGroupManagers.list", "the same"},
		{identities, []gcp.Verb{gcp.VerbCreate, gcp.VerbGet, gcp.VerbUpdate}, "iam.workloadIdentityPools.getAttestationRules", "iambeta/resource_iam_workload_identity_pool.go"},
		{subnet, []gcp.Verb{gcp.VerbUpdate}, "compute.subnetworks.expandIpCidrRange", "compute/resource_compute_subnetwork.go"},
		{address, []gcp.Verb{gcp.VerbCreate}, "compute.subnetworks.use", "addresses.insert"},
	} {
		for _, verb := range test.verbs {
			test.call.Verb = verb
			got := c.Needs(test.call)
			if !slices.ContainsFunc(got, func(n gcp.Need) bool { return n.Permission == test.permission }) {
				t.Errorf("%s of %s asks for %v, want %s too (%s)", verb, test.call.Kind, got, test.permission, test.source)
			}
		}
	}
	// A key's purpose is read with the key (kms/data_source_google_kms_crypto_key_version.go).
	const version = "projects/test-project/locations/us-central1/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
	if _, err := (kms.Keys{Cloud: c}).SigningKey(ctx, version); err == nil || !strings.Contains(err.Error(), "'cloudkms.cryptoKeys.get'") {
		t.Errorf("reading a version of a key without the right to read the key: %v, want a refusal", err)
	}
}

func TestEnabledAPIsAreNotKnownAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime(), gcp.WithPropagation(time.Minute), gcp.WithClock(func() time.Time { return now }))
	gcptest.Create(t, c, gcp.KindService, gcp.Properties{"service": "compute.googleapis.com"})
	network := gcp.Properties{"name": "net", "autoCreateSubnetworks": false}
	if _, err := c.Create(context.Background(), compute.KindNetwork, gcptest.Here, network); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "has not been used in project") {
		t.Errorf("a moment after the API was enabled: %v, want 403", err)
	}
	if err := c.Enabled("compute.googleapis.com", gcp.ProjectNumber("test-project")); gcptest.Code(err) != 403 {
		t.Errorf("Enabled = %v, want 403", err)
	}
	now = now.Add(time.Minute)
	gcptest.Create(t, c, compute.KindNetwork, network)
	if err := c.Enabled("compute.googleapis.com", "test-project"); err != nil {
		t.Errorf("Enabled = %v a minute later, want nil", err)
	}
}
