package gcp

import (
	"testing"
)

func TestDeletedAccountLosesItsRoles(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	member := Properties{"role": "roles/viewer", "member": "serviceAccount:" + accountEmail}
	o := create(t, c, KindProjectMember, member)
	create(t, c, KindProjectMember, member) // a policy is a set
	identity := Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + accountEmail,
		"role": "roles/iam.workloadIdentityUser", "member": "serviceAccount:test-project.svc.id.goog[ns/sa]"}
	inside := create(t, c, KindAccountMember, identity)
	remove(t, c, "projects/test-project/serviceAccounts/"+accountEmail)
	for _, name := range []string{o.Name, inside.Name} {
		if _, err := c.Get(name); !IsNotFound(err) {
			t.Errorf("Get(%s) = %v, want not found", name, err)
		}
	}
}
