package iam_test

import (
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	gcptest.Create(t, c, iam.KindIdentityPool, poolIDConfig)
	refuse := gcptest.Refuser(t, c)
	refuse("account ID", iam.KindServiceAccount, gcp.Properties{"accountId": "short"}, 400, "6-30 characters")
	refuse("account exists", iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"}, 409, "already exists")
	refuse("deployer exists", iam.KindServiceAccount, gcp.Properties{"accountId": "deployer"}, 409, "already exists")
	refuse("role", iam.KindProjectMember, gcp.Properties{"role": "viewer", "member": gcptest.Member}, 400, "roles/<name>")
	refuse("member", iam.KindProjectMember, gcp.Properties{"role": "roles/viewer", "member": "a@example.com"}, 400, "must be serviceAccount:<email>")
	for _, member := range []string{"user:a@example.com", "allUsers", "deleted:serviceAccount:a@b.iam.gserviceaccount.com?uid=1",
		"serviceAccount:CI@test-project.iam.gserviceaccount.com", "serviceAccount:test-project.svc.id.goog[ns/sa]"} {
		refuse("member that no stack has", iam.KindProjectMember, gcp.Properties{"role": "roles/viewer", "member": member}, 400, "the sandbox does not emulate it")
	}
	refuse("missing role", iam.KindProjectMember, gcp.Properties{"role": "projects/test-project/roles/nope", "member": gcptest.Member}, 400,
		"Role (projects/test-project/roles/nope) does not exist in the resource's hierarchy., badRequest")
	refuse("account by its email", iam.KindAccountMember, gcp.Properties{"serviceAccountId": gcptest.AccountEmail, "role": "roles/iam.serviceAccountUser",
		"member": gcptest.Member}, 400, "projects/<project>/serviceAccounts/<email>")
	refuse("missing account", iam.KindProjectMember, gcp.Properties{"role": "roles/viewer", "member": "serviceAccount:nobody@test-project.iam.gserviceaccount.com"}, 400,
		"Service account nobody@test-project.iam.gserviceaccount.com does not exist., badRequest")
	refuse("condition of a basic role", iam.KindProjectMember, grantIf("roles/viewer", gcptest.Member, "true"), 400, "a basic role cannot be granted")
	refuse("condition that is no CEL", iam.KindProjectMember, grantIf("roles/browser", gcptest.Member, "resource.name ="), 400, "is not a condition")
	refuse("condition that is no truth", iam.KindProjectMember, grantIf("roles/browser", gcptest.Member, "resource.name"), 400, "must be true or false")
	refuse("condition with too many roles", iam.KindProjectMember, grantIf("roles/browser", gcptest.Member,
		"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(["+strings.Repeat("'roles/x', ", 10)+"'roles/x'])"), 400, "hasOnly takes at most 10 values")
	refuse("pool ID", iam.KindIdentityPool, gcp.Properties{"workloadIdentityPoolId": "abc"}, 400, "4-32 lowercase letters")
	refuse("pool of Google", iam.KindIdentityPool, gcp.Properties{"workloadIdentityPoolId": "gcp-pool"}, 400, "gcp- is reserved")
	refuse("provider without pool", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"workloadIdentityPoolId": "nope"}), 404, "workloadIdentityPools/nope' was not found")
	refuse("provider for everybody", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"attributeCondition": nil}), 400, "must reference one of the provider's claims")
	refuse("provider whose condition is no truth", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"attributeCondition": "size(assertion.repository)"}), 400, "must be a bool")
	refuse("provider without subject", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"attributeMapping": gcp.Properties{"attribute.a": "assertion.a"}}), 400, "must contain google.subject")
	refuse("provider's attribute", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"attributeMapping": gcp.Properties{"attribute.A": "assertion.a"}}), 400, "lowercase letters, digits and _")
	refuse("provider's mapping", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"attributeMapping": gcp.Properties{"google.subject": "claim.sub"}}), 400, "undeclared reference to 'claim'")
	refuse("provider in the clear", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"oidc": gcp.Properties{"issuerUri": "http://example.com"}}), 400, "must begin with https://")
	refuse("provider of another protocol", iam.KindIdentityProvider, gcptest.With(providerConfig, gcp.Properties{"aws": gcp.Properties{"accountId": "1"}}), 400, "only oidc is")
	refuse("member of a pool by the project's ID", iam.KindAccountMember, gcp.Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + gcptest.AccountEmail, "role": "roles/iam.workloadIdentityUser",
		"member": "principalSet://iam.googleapis.com/projects/test-project/locations/global/workloadIdentityPools/pool/attribute.repository/o/r"}, 400, "by the number of its project")
	refuse("member of a missing pool", iam.KindAccountMember, gcp.Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + gcptest.AccountEmail, "role": "roles/iam.workloadIdentityUser",
		"member": "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/attribute.repository/o/r"}, 400, "Identity Pool does not exist (projects/1/")
	refuse("bucket of another project", iam.KindBucketMember, gcp.Properties{"bucket": "other-pulumi-state", "role": "roles/storage.objectUser", "member": gcptest.Member}, 404, "The specified bucket does not exist")
	refuse("member of missing account", iam.KindAccountMember, gcp.Properties{"serviceAccountId": "projects/test-project/serviceAccounts/no@test-project.iam.gserviceaccount.com",
		"role": "roles/iam.workloadIdentityUser", "member": gcptest.Member}, 404, "was not found")
}
