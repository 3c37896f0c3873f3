package iam_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

func TestDeletedAccountLosesItsRoles(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	member := gcp.Properties{"role": "roles/viewer", "member": "serviceAccount:" + gcptest.AccountEmail}
	o := gcptest.Create(t, c, iam.KindProjectMember, member)
	gcptest.Create(t, c, iam.KindProjectMember, member) // a policy is a set
	identity := gcp.Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + gcptest.AccountEmail,
		"role": "roles/iam.workloadIdentityUser", "member": gcptest.Member}
	inside := gcptest.Create(t, c, iam.KindAccountMember, identity)
	gcptest.Remove(t, c, "projects/test-project/serviceAccounts/"+gcptest.AccountEmail)
	for _, name := range []string{o.Name, inside.Name} {
		if _, err := c.Get(name); !gcp.IsNotFound(err) {
			t.Errorf("Get(%s) = %v, want not found", name, err)
		}
	}
}
