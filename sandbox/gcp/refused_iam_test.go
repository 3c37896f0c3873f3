package gcp

import "testing"

func TestRefused_iam(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	create(t, c, KindIdentityPool, poolIDConfig)
	refuse := refuser(t, c)
	refuse("account ID", KindServiceAccount, Properties{"accountId": "short"}, 400, "6-30 characters")
	refuse("account exists", KindServiceAccount, Properties{"accountId": "nodes-account"}, 409, "already exists")
	refuse("deployer exists", KindServiceAccount, Properties{"accountId": "deployer"}, 409, "already exists")
	refuse("role", KindProjectMember, Properties{"role": "viewer", "member": "user:a@example.com"}, 400, "roles/<name>")
	refuse("member", KindProjectMember, Properties{"role": "roles/viewer", "member": "a@example.com"}, 400, "must be a principal")
	refuse("missing account", KindProjectMember, Properties{"role": "roles/viewer", "member": "serviceAccount:nobody@test-project.iam.gserviceaccount.com"}, 400,
		"Service account nobody@test-project.iam.gserviceaccount.com does not exist., badRequest")
	refuse("missing identity pool", KindProjectMember, Properties{"role": "roles/viewer", "member": "serviceAccount:other.svc.id.goog[ns/sa]"}, 400, "Identity Pool does not exist (other.svc.id.goog)")
	refuse("condition of nobody", KindProjectMember, grantIf("roles/browser", "allUsers", "true"), 400, "allUsers cannot be granted a role with a condition")
	refuse("condition of a basic role", KindProjectMember, grantIf("roles/viewer", "user:a@example.com", "true"), 400, "a basic role cannot be granted")
	refuse("condition that is no CEL", KindProjectMember, grantIf("roles/browser", "user:a@example.com", "resource.name ="), 400, "is no condition")
	refuse("condition that is no truth", KindProjectMember, grantIf("roles/browser", "user:a@example.com", "resource.name"), 400, "must be true or false")
	refuse("pool ID", KindIdentityPool, Properties{"workloadIdentityPoolId": "abc"}, 400, "4-32 lowercase letters")
	refuse("pool of Google", KindIdentityPool, Properties{"workloadIdentityPoolId": "gcp-pool"}, 400, "gcp- is reserved")
	refuse("provider without pool", KindIdentityProvider, with(providerConfig, Properties{"workloadIdentityPoolId": "nope"}), 404, "workloadIdentityPools/nope' was not found")
	refuse("provider for everybody", KindIdentityProvider, with(providerConfig, Properties{"attributeCondition": nil}), 400, "must reference one of the provider's claims")
	refuse("provider whose condition is no truth", KindIdentityProvider, with(providerConfig, Properties{"attributeCondition": "size(assertion.repository)"}), 400, "must be a bool")
	refuse("provider without subject", KindIdentityProvider, with(providerConfig, Properties{"attributeMapping": Properties{"attribute.a": "assertion.a"}}), 400, "must contain google.subject")
	refuse("provider's attribute", KindIdentityProvider, with(providerConfig, Properties{"attributeMapping": Properties{"attribute.A": "assertion.a"}}), 400, "lowercase letters, digits and _")
	refuse("provider's mapping", KindIdentityProvider, with(providerConfig, Properties{"attributeMapping": Properties{"google.subject": "claim.sub"}}), 400, "undeclared reference to 'claim'")
	refuse("provider in the clear", KindIdentityProvider, with(providerConfig, Properties{"oidc": Properties{"issuerUri": "http://example.com"}}), 400, "must begin with https://")
	refuse("provider of another protocol", KindIdentityProvider, with(providerConfig, Properties{"aws": Properties{"accountId": "1"}}), 400, "only oidc is")
	refuse("member of a pool by the project's ID", KindAccountMember, Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + accountEmail, "role": "roles/iam.workloadIdentityUser",
		"member": "principalSet://iam.googleapis.com/projects/test-project/locations/global/workloadIdentityPools/pool/attribute.repository/o/r"}, 400, "by the number of its project")
	refuse("member of a missing pool", KindAccountMember, Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + accountEmail, "role": "roles/iam.workloadIdentityUser",
		"member": "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/attribute.repository/o/r"}, 400, "Identity Pool does not exist (projects/1/")
	refuse("bucket of another project", KindBucketMember, Properties{"bucket": "other-pulumi-state", "role": "roles/storage.objectUser", "member": "user:a@example.com"}, 404, "The specified bucket does not exist")
	refuse("member of missing account", KindAccountMember, Properties{"serviceAccountId": "projects/test-project/serviceAccounts/no@test-project.iam.gserviceaccount.com",
		"role": "roles/iam.workloadIdentityUser", "member": "allUsers"}, 404, "was not found")
}
