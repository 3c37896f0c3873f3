package iam_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

const (
	poolName = "projects/test-project/locations/global/workloadIdentityPools/grpc-edge-dev"
)

var (
	poolIDConfig   = gcp.Properties{"workloadIdentityPoolId": "grpc-edge-dev"}
	providerConfig = gcp.Properties{
		"workloadIdentityPoolId": "grpc-edge-dev", "workloadIdentityPoolProviderId": "github",
		"oidc": gcp.Properties{"issuerUri": "https://token.actions.githubusercontent.com"},
		"attributeMapping": gcp.Properties{"google.subject": "assertion.sub", "attribute.repository": "assertion.repository",
			"attribute.deployment": "(has(assertion.environment) ? assertion.environment : '') + ':' + assertion.workflow_ref"},
		"attributeCondition": "assertion.repository == 'o/r'",
	}
)

// grantIf returns the grant of a role on the project, with a condition.
func grantIf(role, member, expression string) gcp.Properties {
	return gcp.Properties{"role": role, "member": member, "condition": gcp.Properties{"title": "if", "expression": expression}}
}

func TestFederation(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	pool := gcptest.Create(t, c, iam.KindIdentityPool, poolIDConfig)
	provider := gcptest.Create(t, c, iam.KindIdentityProvider, providerConfig)
	byNumber := strings.Replace(poolName, "test-project", gcp.ProjectNumber("test-project"), 1)
	if got := pool.Properties().Text("name"); got != byNumber {
		t.Errorf("name of the pool = %q, want %q", got, byNumber)
	}
	if got, want := provider.Properties().Text("name"), byNumber+"/providers/github"; got != want {
		t.Errorf("name of the provider = %q, want %q", got, want)
	}
	for _, member := range []string{
		"principal://iam.googleapis.com/" + byNumber + "/subject/repo:o/r:ref:refs/heads/main",
		"principalSet://iam.googleapis.com/" + byNumber + "/attribute.deployment/dev:o/r/.github/workflows/deploy.yaml@refs/heads/main",
	} {
		gcptest.Create(t, c, iam.KindAccountMember, gcp.Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + gcptest.AccountEmail,
			"role": "roles/iam.workloadIdentityUser", "member": member})
	}
}

// TestDeletedNamesAreTaken checks that the IDs of objects that Google only marks as deleted
// stay taken for a while.
func TestDeletedNamesAreTaken(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := []struct {
		kind   gcp.Kind
		config gcp.Properties
		after  time.Duration
		taken  bool
	}{
		{iam.KindIdentityPool, poolIDConfig, 0, true},
		{iam.KindIdentityPool, poolIDConfig, 29 * day, true},
		{iam.KindIdentityPool, poolIDConfig, 30 * day, false},
		{iam.KindIdentityProvider, providerConfig, 29 * day, true},
		{iam.KindServiceAccount, gcp.Properties{"accountId": "ci-account"}, 0, false},
	}
	for _, test := range tests {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		dir := t.TempDir()
		c := gcptest.Open(t, dir, gcptest.NewRuntime(), gcp.WithClock(func() time.Time { return now }))
		gcptest.Enable(t, c)
		if test.kind == iam.KindIdentityProvider {
			gcptest.Create(t, c, iam.KindIdentityPool, poolIDConfig)
		}
		gcptest.Remove(t, c, gcptest.Create(t, c, test.kind, test.config).Name)
		now = now.Add(test.after)
		again := gcptest.Open(t, dir, gcptest.NewRuntime(), gcp.WithClock(func() time.Time { return now })) // it is in the state
		_, err := again.Create(context.Background(), test.kind, gcptest.Here, test.config)
		if taken := gcptest.Code(err) == 409; taken != test.taken || !taken && err != nil {
			t.Errorf("%s, %s after it was deleted: Create = %v, want taken = %t", test.kind, test.after, err, test.taken)
		}
	}
}

// TestConditionLimitsWhatMayBeGranted checks that a condition limits which roles an account may
// grant and revoke, and no other permission of its role.
func TestConditionLimitsWhatMayBeGranted(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	gcptest.Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "ci-account"})
	gcptest.Create(t, c, iam.KindCustomRole, gcp.Properties{"roleId": "deploy", "title": "CI", "permissions": []any{
		"resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy", "cloudkms.cryptoKeys.getIamPolicy",
		"cloudkms.cryptoKeys.setIamPolicy", "compute.networks.get", "artifactregistry.repositories.getIamPolicy",
		"artifactregistry.repositories.setIamPolicy"}})
	gcptest.Create(t, c, iam.KindProjectMember, grantIf("projects/test-project/roles/deploy", "serviceAccount:"+gcptest.CIEmail,
		"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/logging.logWriter'])"+
			" || resource.name == '"+gcptest.KeyName+"' && api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/cloudkms.cryptoKeyDecrypter'])"))
	ctx := gcp.As(context.Background(), gcptest.CIEmail)
	if _, err := c.Read(ctx, compute.KindNetwork, gcptest.NetworkName); err != nil {
		t.Errorf("reading: %v, want nil", err)
	}
	for _, test := range []struct {
		kind   gcp.Kind
		config gcp.Properties
		want   int
	}{
		{iam.KindProjectMember, gcp.Properties{"role": "roles/logging.logWriter"}, 0},
		{iam.KindProjectMember, gcp.Properties{"role": "roles/owner"}, 403},
		{iam.KindProjectMember, gcp.Properties{"role": "roles/cloudkms.cryptoKeyDecrypter"}, 403},
		{kms.KindCryptoKeyMember, gcp.Properties{"role": "roles/cloudkms.cryptoKeyDecrypter", "cryptoKeyId": gcptest.KeyName}, 0},
		{kms.KindCryptoKeyMember, gcp.Properties{"role": "roles/cloudkms.cryptoKeyDecrypter", "cryptoKeyId": gcptest.KeyName + "-2"}, 403},
		{kms.KindCryptoKeyMember, gcp.Properties{"role": "roles/cloudkms.admin", "cryptoKeyId": gcptest.KeyName}, 403},
		// Artifact Registry does not know which roles a call changes, and refuses even those allowed.
		{artifactregistry.KindRepositoryMember, gcp.Properties{"role": "roles/logging.logWriter", "repository": "images", "location": "us-central1"}, 403},
	} {
		config := gcptest.With(test.config, gcp.Properties{"member": gcptest.Member})
		o, err := c.Create(ctx, test.kind, gcptest.Here, config)
		if gcptest.Code(err) != test.want {
			t.Errorf("granting %v: %v, want code %d", config, err, test.want)
		}
		if err == nil {
			if err := c.Delete(ctx, o.Name); err != nil {
				t.Errorf("taking back %v: %v, want nil", config, err)
			}
		}
	}
	owner := gcptest.Create(t, c, iam.KindProjectMember, gcp.Properties{"role": "roles/owner", "member": gcptest.Member})
	if err := c.Delete(ctx, owner.Name); gcptest.Code(err) != 403 {
		t.Errorf("taking back what may not be granted: %v, want 403", err)
	}
}
