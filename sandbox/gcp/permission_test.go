package gcp

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryKindNamesItsPermissions(t *testing.T) {
	for _, api := range All(nil) {
		for _, rule := range api.Kinds {
			for _, verb := range []Verb{VerbCreate, VerbGet, VerbUpdate, VerbDelete} {
				if _, known := rule.permissions[verb]; !known {
					t.Errorf("no permission is known that %s of %s needs", verb, rule.kind)
				}
			}
		}
	}
}

func TestRefusalsNamePermissionAndResource(t *testing.T) {
	c, ctx := guarded(t, "compute.networks.create", "container.clusters.update", "container.operations.get")
	for _, test := range []struct {
		call func() error
		want string
	}{
		{func() error { _, err := c.Read(ctx, KindNetwork, networkName); return err },
			"googleapi: Error 403: Required 'compute.networks.get' permission for '" + networkName + "', forbidden"},
		{func() error {
			_, err := c.Create(ctx, KindNetwork, here, Properties{"name": "other"})
			return err
		}, "googleapi: Error 403: Required 'compute.globalOperations.get' permission for 'projects/test-project', forbidden"},
		{func() error { return c.Delete(ctx, subnetName) },
			"googleapi: Error 403: Required 'compute.subnetworks.delete' permission for '" + subnetName + "', forbidden"},
		{func() error { return c.Delete(ctx, clusterPath) },
			"googleapi: Error 403: Required \"container.clusters.get\" permission(s) for \"" + clusterPath + "\"., forbidden"},
		{func() error {
			_, err := c.Create(ctx, KindNodePool, here, with(poolConfig, Properties{"name": "more"}))
			return err
		}, "googleapi: Error 403: Permission 'iam.serviceAccounts.actAs' denied on resource " +
			"'//iam.googleapis.com/projects/test-project/serviceAccounts/" + accountEmail + "' (or it may not exist)., forbidden"},
		{func() error {
			_, err := c.Create(ctx, KindProjectMember, here, Properties{"role": "roles/viewer", "member": "user:a@example.com"})
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
	c, ctx := guarded(t)
	account := "projects/test-project/serviceAccounts/" + accountEmail
	pool := Call{Verb: VerbCreate, Kind: KindNodePool, Name: poolPath, Config: poolConfig}
	create(t, c, KindProjectMember, Properties{"role": "roles/container.admin", "member": "serviceAccount:" + ciEmail})
	create(t, c, KindProjectMember, Properties{"role": "roles/viewer", "member": "serviceAccount:" + ciEmail})
	if err := c.Authorize(ctx, pool); err == nil || !strings.Contains(err.Error(), "iam.serviceAccounts.actAs") {
		t.Errorf("without the right to act as the nodes' account: %v, want it to be named", err)
	}
	create(t, c, KindAccountMember, Properties{"serviceAccountId": account, "role": "roles/iam.serviceAccountUser", "member": "serviceAccount:" + ciEmail})
	if err := c.Authorize(ctx, pool); err != nil {
		t.Errorf("with roles/iam.serviceAccountUser on the account alone: %v, want nil", err)
	}
	other := with(poolConfig, Properties{"nodeConfig": Properties{"serviceAccount": ciEmail}})
	if err := c.Authorize(ctx, Call{Verb: VerbCreate, Kind: KindNodePool, Name: poolPath, Config: other}); code(err) != 403 {
		t.Errorf("nodes as another account: %v, want 403", err)
	}
	if err := c.Authorize(As(ctx, "nobody@test-project.iam.gserviceaccount.com"), pool); code(err) != 404 {
		t.Errorf("an account that does not exist: %v, want 404", err)
	}
}

func TestCustomRoleTakesPartAtOnce(t *testing.T) {
	c, ctx := guarded(t, "compute.networks.list")
	role := "projects/test-project/roles/deploy"
	for _, test := range []struct {
		change Properties
		want   int
	}{
		{Properties{"permissions": []any{"compute.networks.get"}}, 0},
		{Properties{"permissions": []any{"compute.networks.get"}, "stage": "DISABLED"}, 403},
	} {
		if _, err := c.Update(context.Background(), role, here, with(Properties{"roleId": "deploy", "title": "CI"}, test.change)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(ctx, KindNetwork, networkName); code(err) != test.want {
			t.Errorf("reading with %v = %v, want code %d", test.change, err, test.want)
		}
	}
}

// TestCallsBesidesTheMethod pins down what the Terraform provider asks for besides the
// method that a call is named after, each by the file where it does.
func TestCallsBesidesTheMethod(t *testing.T) {
	c, ctx := guarded(t, "cloudkms.cryptoKeyVersions.get", "cloudkms.cryptoKeyVersions.viewPublicKey")
	cluster := Call{Kind: KindCluster, Name: clusterPath, Config: clusterConfig}
	pool := Call{Kind: KindNodePool, Name: poolPath, Config: poolConfig}
	subnet := Call{Kind: KindSubnetwork, Name: subnetName, Config: subnetConfig}
	identities := Call{Kind: KindIdentityPool, Name: "projects/test-project/locations/global/workloadIdentityPools/ci"}
	for _, test := range []struct {
		call       Call
		verbs      []Verb
		permission string
		source     string
	}{
		{cluster, []Verb{VerbCreate, VerbGet, VerbUpdate}, "compute.instanceGroupManagers.list", "container/resource_container_node_pool.go: refreshIfNeeded"},
		{pool, []Verb{VerbCreate, VerbGet, VerbUpdate}, "compute.instanceGroupManagers.list", "the same"},
		{identities, []Verb{VerbCreate, VerbGet, VerbUpdate}, "iam.workloadIdentityPools.getAttestationRules", "iambeta/resource_iam_workload_identity_pool.go"},
		{subnet, []Verb{VerbUpdate}, "compute.subnetworks.expandIpCidrRange", "compute/resource_compute_subnetwork.go"},
	} {
		for _, verb := range test.verbs {
			test.call.Verb = verb
			got := c.Needs(test.call)
			if !slices.ContainsFunc(got, func(n Need) bool { return n.Permission == test.permission }) {
				t.Errorf("%s of %s asks for %v, want %s too (%s)", verb, test.call.Kind, got, test.permission, test.source)
			}
		}
	}
	// A key's purpose is read with the key (kms/data_source_google_kms_crypto_key_version.go).
	const version = "projects/test-project/locations/us-central1/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
	if _, err := (Keys{c}).SigningKey(ctx, version); err == nil || !strings.Contains(err.Error(), "'cloudkms.cryptoKeys.get'") {
		t.Errorf("reading a version of a key without the right to read the key: %v, want a refusal", err)
	}
}

func TestEnabledAPIsAreNotKnownAtOnce(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	c := open(t, t.TempDir(), newFakeRuntime(), WithPropagation(time.Minute), WithClock(func() time.Time { return now }))
	create(t, c, KindService, Properties{"service": "compute.googleapis.com"})
	network := Properties{"name": "net", "autoCreateSubnetworks": false}
	if _, err := c.Create(context.Background(), KindNetwork, here, network); code(err) != 403 || !strings.Contains(err.Error(), "has not been used in project") {
		t.Errorf("a moment after the API was enabled: %v, want 403", err)
	}
	if err := c.Enabled("compute.googleapis.com", ProjectNumber("test-project")); code(err) != 403 {
		t.Errorf("Enabled = %v, want 403", err)
	}
	now = now.Add(time.Minute)
	create(t, c, KindNetwork, network)
	if err := c.Enabled("compute.googleapis.com", "test-project"); err != nil {
		t.Errorf("Enabled = %v a minute later, want nil", err)
	}
}
