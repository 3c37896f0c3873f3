package gcpprovider_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/pulumi/clitest"
)

// TestPipelinesTeardownLeavesDelivery runs the command of docs/permissions.md with the real engine,
// as an account that may delete nothing of delivery. The component stays, with everything in it and
// everything that it depends on. An owner can then remove it.
func TestPipelinesTeardownLeavesDelivery(t *testing.T) {
	t.Parallel()
	cloud, err := gcp.Open(t.TempDir(), apis.All(nil), gcp.WithOperationTime(0))
	if err != nil {
		t.Fatal(err)
	}
	p := clitest.New(t, "testdata/delivered", "buildTarget: "+filepath.Join(t.TempDir(), "program"))
	p.Env = []string{"PULUMI_DEBUG_PROVIDERS=gcp:" + serve(t, cloud)}
	p.MustRun("config", "set", "gcp:project", "test-project")
	p.MustRun("up", "--yes", "--skip-preview")
	before := cloud.Objects()

	// A destroy runs no program: it calls as the last `up` did.
	p.MustRun("config", "set", "gcp:impersonateServiceAccount", "destroyer-test@test-project.iam.gserviceaccount.com")
	p.MustRun("up", "--yes", "--skip-preview")
	output := p.MustRun("destroy", "--yes", "--skip-preview", "--exclude", "**grpc-edge:delivery:Delivery**")
	want := slices.DeleteFunc(before, func(name string) bool { return strings.Contains(name, "/networks/") })
	if got := cloud.Objects(); !slices.Equal(got, want) {
		t.Errorf("destroy left %q, want all but the network: %q\n%s", got, want, output)
	}
	if output, err := p.Run("destroy", "--yes", "--skip-preview", "--target", "**workloadIdentityPool**"); err == nil ||
		!strings.Contains(output, "'iam.workloadIdentityPools.delete' denied") {
		t.Errorf("removing the pool as the destroyer: %v, want a refusal that names the permission\n%s", err, output)
	}
	p.MustRun("config", "rm", "gcp:impersonateServiceAccount")
	p.MustRun("up", "--yes", "--skip-preview") // what was destroyed comes back beside it
	p.MustRun("destroy", "--yes", "--skip-preview")
	if left := cloud.Objects(); len(left) != 0 {
		t.Errorf("an owner's destroy left %q", left)
	}
}
