package gcp

import (
	"context"
	"strings"
	"testing"
)

func TestEveryKindNamesItsPermissions(t *testing.T) {
	for kind := range rules {
		for _, verb := range []Verb{VerbCreate, VerbGet, VerbUpdate, VerbDelete} {
			if _, known := permissions[kind][verb]; !known {
				t.Errorf("no permission is known that %s of %s needs", verb, kind)
			}
		}
	}
}

const ciEmail = "ci-account@test-project.iam.gserviceaccount.com"

// guarded is a cloud in which an account has one custom role on the project.
func guarded(t *testing.T, permissions ...any) (*Cloud, context.Context) {
	t.Helper()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	create(t, c, KindServiceAccount, Properties{"accountId": "ci-account"})
	create(t, c, KindCustomRole, Properties{"roleId": "deploy", "title": "CI", "permissions": permissions})
	create(t, c, KindProjectMember, Properties{"role": "projects/test-project/roles/deploy", "member": "serviceAccount:" + ciEmail})
	return c, As(context.Background(), ciEmail)
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
	pool := Call{VerbCreate, KindNodePool, poolPath, poolConfig}
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
	if err := c.Authorize(ctx, Call{VerbCreate, KindNodePool, poolPath, other}); code(err) != 403 {
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

func TestRegistryAsksForTheSamePermissions(t *testing.T) {
	c, _ := guarded(t, "artifactregistry.repositories.uploadArtifacts")
	name := "projects/test-project/locations/us-central1/repositories/images"
	for permission, want := range map[string]bool{
		"artifactregistry.repositories.uploadArtifacts":   true,
		"artifactregistry.repositories.downloadArtifacts": false,
	} {
		if got := (repositories{c}).Allowed(ciEmail, permission, name); got != want {
			t.Errorf("Allowed(%s) = %t, want %t", permission, got, want)
		}
	}
}
