package gcp

import (
	"context"
	"strings"
	"testing"
	"time"
)

const (
	poolName = "projects/test-project/locations/global/workloadIdentityPools/grpc-edge-dev"
)

var (
	poolIDConfig   = Properties{"workloadIdentityPoolId": "grpc-edge-dev"}
	providerConfig = Properties{
		"workloadIdentityPoolId": "grpc-edge-dev", "workloadIdentityPoolProviderId": "github",
		"oidc":               Properties{"issuerUri": "https://token.actions.githubusercontent.com"},
		"attributeMapping":   Properties{"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"},
		"attributeCondition": "assertion.repository == 'o/r'",
	}
)

// grantIf returns the grant of a role on the project, with a condition.
func grantIf(role, member, expression string) Properties {
	return Properties{"role": role, "member": member, "condition": Properties{"title": "if", "expression": expression}}
}

func TestFederation(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	pool := create(t, c, KindIdentityPool, poolIDConfig)
	provider := create(t, c, KindIdentityProvider, providerConfig)
	byNumber := strings.Replace(poolName, "test-project", ProjectNumber("test-project"), 1)
	if got := pool.Properties().str("name"); got != byNumber {
		t.Errorf("name of the pool = %q, want %q", got, byNumber)
	}
	if got, want := provider.Properties().str("name"), byNumber+"/providers/github"; got != want {
		t.Errorf("name of the provider = %q, want %q", got, want)
	}
	for _, member := range []string{
		"principal://iam.googleapis.com/" + byNumber + "/subject/repo:o/r:ref:refs/heads/main",
		"principalSet://iam.googleapis.com/" + byNumber + "/attribute.workflow/o/r/.github/workflows/deploy.yaml@refs/heads/main",
	} {
		create(t, c, KindAccountMember, Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + accountEmail,
			"role": "roles/iam.workloadIdentityUser", "member": member})
	}
}

// IDs of what Google only marks as deleted are taken for a while, and a role comes back.
func TestDeletedNamesAreTaken(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := []struct {
		kind   Kind
		config Properties
		after  time.Duration
		taken  bool
	}{
		{KindIdentityPool, poolIDConfig, 0, true},
		{KindIdentityPool, poolIDConfig, 29 * day, true},
		{KindIdentityPool, poolIDConfig, 30 * day, false},
		{KindIdentityProvider, providerConfig, 29 * day, true},
		{KindCustomRole, Properties{"roleId": "deploy", "title": "CI"}, 6 * day, false},
		{KindCustomRole, Properties{"roleId": "deploy", "title": "CI"}, 7 * day, true},
		{KindCustomRole, Properties{"roleId": "deploy", "title": "CI"}, 37 * day, false},
		{KindServiceAccount, Properties{"accountId": "ci-account"}, 0, false},
	}
	for _, test := range tests {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		dir := t.TempDir()
		c := open(t, dir, newFakeRuntime(), WithClock(func() time.Time { return now }))
		enable(t, c)
		if test.kind == KindIdentityProvider {
			create(t, c, KindIdentityPool, poolIDConfig)
		}
		remove(t, c, create(t, c, test.kind, test.config).Name)
		now = now.Add(test.after)
		again := open(t, dir, newFakeRuntime(), WithClock(func() time.Time { return now })) // it is in the state
		_, err := again.Create(context.Background(), test.kind, here, test.config)
		if taken := code(err) == 409; taken != test.taken || !taken && err != nil {
			t.Errorf("%s, %s after it was deleted: Create = %v, want taken = %t", test.kind, test.after, err, test.taken)
		}
	}
}

// A condition limits what may be granted, and nothing else that the role holds.
func TestConditionLimitsWhatMayBeGranted(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	create(t, c, KindServiceAccount, Properties{"accountId": "ci-account"})
	create(t, c, KindCustomRole, Properties{"roleId": "deploy", "title": "CI", "permissions": []any{
		"resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy", "cloudkms.cryptoKeys.getIamPolicy",
		"cloudkms.cryptoKeys.setIamPolicy", "compute.networks.get"}})
	create(t, c, KindProjectMember, grantIf("projects/test-project/roles/deploy", "serviceAccount:"+ciEmail,
		"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/logging.logWriter'])"+
			" || resource.name == '"+testKey+"' && api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/cloudkms.cryptoKeyDecrypter'])"))
	ctx := As(context.Background(), ciEmail)
	if _, err := c.Read(ctx, KindNetwork, networkName); err != nil {
		t.Errorf("reading: %v, want nil", err)
	}
	for _, test := range []struct {
		kind   Kind
		config Properties
		want   int
	}{
		{KindProjectMember, Properties{"role": "roles/logging.logWriter"}, 0},
		{KindProjectMember, Properties{"role": "roles/owner"}, 403},
		{KindProjectMember, Properties{"role": "roles/cloudkms.cryptoKeyDecrypter"}, 403},
		{KindCryptoKeyMember, Properties{"role": "roles/cloudkms.cryptoKeyDecrypter", "cryptoKeyId": testKey}, 0},
		{KindCryptoKeyMember, Properties{"role": "roles/cloudkms.cryptoKeyDecrypter", "cryptoKeyId": testKey + "-2"}, 403},
		{KindCryptoKeyMember, Properties{"role": "roles/cloudkms.admin", "cryptoKeyId": testKey}, 403},
	} {
		config := with(test.config, Properties{"member": "user:a@example.com"})
		o, err := c.Create(ctx, test.kind, here, config)
		if code(err) != test.want {
			t.Errorf("granting %v: %v, want code %d", config, err, test.want)
		}
		if err == nil {
			if err := c.Delete(ctx, o.Name); err != nil {
				t.Errorf("taking back %v: %v, want nil", config, err)
			}
		}
	}
	owner := create(t, c, KindProjectMember, Properties{"role": "roles/owner", "member": "user:a@example.com"})
	if err := c.Delete(ctx, owner.Name); code(err) != 403 {
		t.Errorf("taking back what may not be granted: %v, want 403", err)
	}
}
