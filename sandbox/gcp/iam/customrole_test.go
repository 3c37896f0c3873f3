package iam_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
)

var roleConfig = gcp.Properties{"roleId": "edge.deploy", "title": "Deploys", "permissions": []any{"compute.networks.get"}}

const roleName = "projects/test-project/roles/edge.deploy"

// TestDeletedRoleComesBack deletes a role, as a person does behind Pulumi's back. Google undeletes
// it at first. Later it refuses the ID, and at last it has forgotten the role.
func TestDeletedRoleComesBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	c := gcptest.Open(t, dir, nil, gcp.WithClock(func() time.Time { return now }))
	gcptest.Enable(t, c)
	gcptest.Create(t, c, iam.KindCustomRole, roleConfig)
	gcptest.Remove(t, c, roleName)
	if left := c.Objects(); len(left) != 0 {
		t.Errorf("Objects() = %v, want none: the role is deleted", left)
	}
	c = gcptest.Open(t, dir, nil, gcp.WithClock(func() time.Time { return now }))
	read, err := c.Read(context.Background(), iam.KindCustomRole, roleName)
	if err != nil || !read.Properties().Bool("deleted") || read.Config.Text("title") != "Deploys" {
		t.Errorf("reading the deleted role: %v, %v, want it with deleted: true", read.Properties(), err)
	}
	if err := c.Delete(context.Background(), roleName); gcptest.Code(err) != 400 || !strings.Contains(err.Error(), "as it is already deleted., failedPrecondition") {
		t.Errorf("deleting it again: %v, want 400", err)
	}
	changed := gcptest.With(roleConfig, gcp.Properties{"title": "Deploys more"})
	again, err := c.Update(context.Background(), roleName, gcptest.Here, changed)
	if err != nil || again.Properties().Bool("deleted") || again.Config.Text("title") != "Deploys more" {
		t.Errorf("changing it: %v, %v, want the role undeleted, with its new title", again.Properties(), err)
	}
	gcptest.Remove(t, c, roleName)
	for _, test := range []struct {
		days int
		want string
	}{
		{7, "googleapi: Error 400: You can't create a role_id (edge.deploy) which has been marked for deletion., failedPrecondition"},
		{36, "googleapi: Error 400: You can't create a role_id (edge.deploy) which has been marked for deletion., failedPrecondition"},
		{37, ""},
	} {
		now = time.Date(2026, 1, 1+test.days, 0, 0, 0, 0, time.UTC)
		if _, err := c.Get(roleName); !gcp.IsNotFound(err) {
			t.Errorf("the role after %d days: %v, want not found", test.days, err)
		}
		if _, err := c.Create(context.Background(), iam.KindCustomRole, gcptest.Here, roleConfig); gcptest.ErrorText(err) != test.want {
			t.Errorf("creating it after %d days: %v, want %q", test.days, err, test.want)
		}
	}
}

// TestUndeletingNeedsItsOwnPermission creates a role of the ID of a deleted one.
func TestUndeletingNeedsItsOwnPermission(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		missing     string
		permissions []any
	}{
		{"iam.roles.undelete", []any{"iam.roles.create", "iam.roles.update", "iam.roles.get"}},
		{"iam.roles.update", []any{"iam.roles.create", "iam.roles.undelete", "iam.roles.get"}},
		{"iam.roles.get", []any{"iam.roles.undelete", "iam.roles.update"}},
		{"", []any{"iam.roles.undelete", "iam.roles.update", "iam.roles.get"}},
	} {
		c, ctx := gcptest.Guarded(t, test.permissions...)
		gcptest.Create(t, c, iam.KindCustomRole, roleConfig)
		gcptest.Remove(t, c, roleName)
		_, err := c.Create(ctx, iam.KindCustomRole, gcptest.Here, roleConfig)
		if test.missing == "" && err != nil || !strings.Contains(gcptest.ErrorText(err), test.missing) {
			t.Errorf("with %v: %v, want a refusal that names %q", test.permissions, err, test.missing)
		}
	}
}
