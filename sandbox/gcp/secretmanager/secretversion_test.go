package secretmanager_test

import (
	"context"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

// TestPodReadsOnlyTheSecretItMay grants one of two secrets to the service account of a
// pod, and the other to one of the same name in another namespace.
func TestPodReadsOnlyTheSecretItMay(t *testing.T) {
	dir := t.TempDir()
	c := gcptest.Open(t, dir, gcptest.NewRuntime())
	gcptest.Build(t, c)
	for _, secret := range []string{"password", "other"} {
		for _, payload := range []string{"first " + secret, "second " + secret} {
			if _, err := secretmanager.AddSecretVersion(dir, "test-project", secret, []byte(payload)); err != nil {
				t.Fatal(err)
			}
		}
	}
	pod := gcp.WorkloadPrincipal("test-project", "grpc-edge", "shop")
	const accessor = "roles/secretmanager.secretAccessor"
	gcptest.Create(t, c, secretmanager.KindSecretMember, gcp.Properties{"secretId": "password", "role": accessor, "member": pod})
	gcptest.Create(t, c, secretmanager.KindSecretMember, gcp.Properties{"secretId": "other", "role": accessor, "member": gcp.WorkloadPrincipal("test-project", "default", "shop")})
	identity, ok := c.Identity(c.Token(pod))
	if !ok || identity != pod {
		t.Fatalf("the identity of the pod's token is %q, %t, want %s", identity, ok, pod)
	}
	number := gcp.ProjectNumber("test-project")
	for _, test := range []struct{ name, payload, refusal string }{
		{"projects/test-project/secrets/password/versions/1", "first password", ""},
		{"projects/test-project/secrets/password/versions/latest", "second password", ""},
		{"projects/" + number + "/secrets/password/versions/2", "second password", ""},
		{"projects/test-project/secrets/password/versions/3", "", "404: Secret Version [projects/" + number + "/secrets/password/versions/3] not found."},
		{"projects/test-project/secrets/other/versions/1", "", "403: Permission 'secretmanager.versions.access' denied for resource 'projects/test-project/secrets/other/versions/1'"},
		{"projects/test-project/secrets/missing/versions/1", "", "403"}, // not that it is missing
		{"projects/other-project/secrets/password/versions/1", "", "403: Secret Manager API has not been used"},
		{"projects/test-project/secrets/../versions/1", "", "400"},
		{"projects/test-project/secrets/password", "", "400"},
	} {
		v, err := secretmanager.Secrets{c}.AccessSecret(gcp.As(context.Background(), identity), test.name)
		switch {
		case test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)):
			t.Errorf("%s: error %v, want %q", test.name, err, test.refusal)
		case test.refusal == "" && (err != nil || string(v.Payload) != test.payload):
			t.Errorf("%s: %q, %v, want %q", test.name, v.Payload, err, test.payload)
		}
	}
	if _, err := (secretmanager.Secrets{c}).DescribeSecret(gcp.As(context.Background(), identity), "projects/test-project/secrets/password/versions/1"); gcptest.Code(err) != 403 {
		t.Errorf("describing with the role to access: %v, want 403: it is another permission", err)
	}
	v, err := secretmanager.Secrets{c}.DescribeSecret(context.Background(), "projects/test-project/secrets/password/versions/latest")
	if err != nil || v.Payload != nil || v.Name != "projects/"+number+"/secrets/password/versions/2" || v.Created.IsZero() {
		t.Errorf("DescribeSecret = %+v, %v, want the second version without its payload", v, err)
	}
	if _, err := (secretmanager.Secrets{c}).AccessSecret(context.Background(), "projects/test-project/secrets/missing/versions/latest"); gcptest.Code(err) != 404 {
		t.Errorf("an owner's access of a secret that there is not: %v, want 404", err)
	}
}

func TestSecretVersionsAreChecked(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		secret string
		size   int
		want   string
	}{
		{"../state", 1, "1-255 letters"}, {"a.b", 1, "1-255 letters"}, {"empty", 0, "1 to 65536 bytes"}, {"big", 65537, "1 to 65536 bytes"},
	} {
		if _, err := secretmanager.AddSecretVersion(dir, "test-project", test.secret, make([]byte, test.size)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %d bytes: %v, want %q", test.secret, test.size, err, test.want)
		}
	}
	for i, want := range []string{"versions/1", "versions/2"} {
		name, err := secretmanager.AddSecretVersion(dir, "test-project", "good", []byte{byte(i)})
		if err != nil || !strings.HasSuffix(name, want) {
			t.Errorf("AddSecretVersion = %s, %v, want %s", name, err, want)
		}
	}
}

// TestPrincipalNeedsTheClustersPool checks that a role can be granted to a pod only once the
// project has a cluster with Workload Identity on, which creates the pool of its pods. Wrong
// principals are refused.
func TestPrincipalNeedsTheClustersPool(t *testing.T) {
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	grant := gcp.Properties{"role": "roles/secretmanager.viewer", "member": gcp.WorkloadPrincipal("test-project", "grpc-edge", "shop")}
	if _, err := c.Create(context.Background(), iam.KindProjectMember, gcptest.Here, grant); gcptest.Code(err) != 400 || !strings.Contains(err.Error(), "Identity Pool does not exist") {
		t.Errorf("before there is a cluster: %v, want 400", err)
	}
	gcptest.Build(t, c)
	gcptest.Create(t, c, iam.KindProjectMember, grant)
	wrong := strings.Replace(grant.Text("member"), gcp.ProjectNumber("test-project"), "123", 1)
	if _, err := c.Create(context.Background(), iam.KindProjectMember, gcptest.Here, gcptest.With(grant, gcp.Properties{"member": wrong})); gcptest.Code(err) != 400 {
		t.Errorf("with the number of another project: %v, want 400", err)
	}
	if v := gcptest.Open(t, t.TempDir(), nil).Check(iam.KindProjectMember, gcp.Properties{"member": strings.Replace(grant.Text("member"), "/sa/", "/", 1)}); len(v) != 1 || !strings.Contains(v[0].Reason, "/sa/") {
		t.Errorf("a principal that names no account: %v, want one violation that says the form", v)
	}
	v, err := secretmanager.Secrets{c}.DescribeSecret(gcp.As(context.Background(), grant.Text("member")), "projects/test-project/secrets/any/versions/1")
	if gcptest.Code(err) != 404 {
		t.Errorf("a role on the project counts for its secrets: %v, %v, want 404", v, err)
	}
}

// TestConditionsSeeVersions narrows a role to one version of one secret.
func TestConditionsSeeVersions(t *testing.T) {
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	gcptest.Build(t, c)
	pod := gcp.WorkloadPrincipal("test-project", "grpc-edge", "shop")
	gcptest.Create(t, c, iam.KindProjectMember, gcp.Properties{"role": "roles/secretmanager.secretAccessor", "member": pod, "condition": gcp.Properties{
		"title": "one", "expression": `resource.name.endsWith("/secrets/pin/versions/1")`,
	}})
	for version, want := range map[string]int{"pin/versions/1": 404, "pin/versions/2": 403, "other/versions/1": 403} { // there is none
		if _, err := (secretmanager.Secrets{c}).AccessSecret(gcp.As(context.Background(), pod), "projects/test-project/secrets/"+version); gcptest.Code(err) != want {
			t.Errorf("%s: %v, want %d", version, err, want)
		}
	}
}
