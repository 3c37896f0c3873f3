package environment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const delivered = `secretsprovider: gcpkms://projects/shop-dev/locations/europe-west1/keyRings/pulumi/cryptoKeys/dev
config:
  gcp:project: shop-dev
  gcp:region: europe-west1
  grpc-edge:githubRepository: shop/edge
  grpc-edge:projectNumber: "123456789012"
`

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func repository(t *testing.T) string {
	return folder(t, map[string]string{
		"Pulumi.dev.yaml":     delivered,
		"Pulumi.prod.yaml":    "config:\n  grpc-edge:cloudBuildRepository: projects/p/locations/l/connections/c/repositories/r\n",
		"Pulumi.sandbox.yaml": "config:\n  grpc-edge:deletionProtection: false\n",
		"Pulumi.empty.yaml":   "",
		"README.md":           "",
	})
}

func TestRead(t *testing.T) {
	t.Parallel()
	root := repository(t)
	e, err := Read(root, "dev")
	if err != nil {
		t.Fatal(err)
	}
	provider, account, err := e.Identity("deployer")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"projects/123456789012/locations/global/workloadIdentityPools/grpc-edge-dev/providers/github",
		"deployer-dev@shop-dev.iam.gserviceaccount.com",
		"gs://shop-dev-pulumi-state",
		"gcpkms://projects/shop-dev/locations/europe-west1/keyRings/pulumi/cryptoKeys/dev",
	}
	if diff := cmp.Diff(want, []string{provider, account, e.Backend(), e.SecretsProvider}); diff != "" {
		t.Error(diff)
	}
	if !e.Protected() {
		t.Error("a stack that says nothing is not protected")
	}
	if e, err := Read(root, "sandbox"); err != nil || e.Protected() {
		t.Errorf("a stack without deletion protection is protected (%v)", err)
	}
}

func TestReadTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	root := repository(t)
	if _, err := Read(root, "staging"); err == nil || !strings.Contains(err.Error(), "Pulumi.staging.yaml") {
		t.Errorf("got %v, want the missing file", err)
	}
	if _, err := Read(folder(t, map[string]string{"Pulumi.dev.yaml": "config: ["}), "dev"); err == nil || !strings.Contains(err.Error(), "Pulumi.dev.yaml") {
		t.Errorf("got %v, want the broken file", err)
	}
	for stack, want := range map[string]string{
		"empty": "gcp:project, grpc-edge:githubRepository, grpc-edge:projectNumber",
		"prod":  "Pulumi.prod.yaml sets no gcp:project",
	} {
		e, err := Read(root, stack)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.Identity("previewer"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", stack, err, want)
		}
	}
	e, _ := Read(root, "dev")
	if _, _, err := e.Identity("owner"); err == nil || !strings.Contains(err.Error(), "previewer, deployer") {
		t.Errorf("got %v, want the roles", err)
	}
}

func TestDelivered(t *testing.T) {
	t.Parallel()
	stacks, err := Delivered(repository(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"dev", "prod"}, stacks); diff != "" {
		t.Error(diff)
	}
}

func TestTouched(t *testing.T) {
	t.Parallel()
	all := []string{"dev", "prod"}
	tests := map[string]struct{ files, want []string }{
		"nothing":                  {nil, []string{}},
		"a page":                   {[]string{"README.md", "docs/edge.md"}, []string{}},
		"tests":                    {[]string{"infra/main_test.go", "infra/testdata/dev.json", "test/doc.go"}, []string{}},
		"what CI runs":             {[]string{".github/workflows/deploy.yaml", "Makefile", "cloudbuild.yaml"}, []string{}},
		"programs about a stack":   {[]string{"cmd/delivery/plan.go", "cmd/service/add.go", "tools/pulumi/go.mod", "measure/loadgen/load.go"}, []string{}},
		"one stack's file":         {[]string{"Pulumi.dev.yaml", "README.md"}, []string{"dev"}},
		"a stack not delivered":    {[]string{"Pulumi.sandbox.yaml"}, []string{}},
		"the project's file":       {[]string{"Pulumi.yaml"}, all},
		"a service":                {[]string{"services/echo/handlers.go"}, all},
		"a module":                 {[]string{"go.work.sum"}, all},
		"what the program imports": {[]string{"cmd/contract/check/check.go"}, all},
		"how stacks are read":      {[]string{"internal/stackfile/edit.go"}, all},
		"what an editor uses":      {[]string{".devcontainer/Dockerfile", ".editorconfig", "LICENSE"}, []string{}},
		"a policy":                 {[]string{"policy/invariant/pods.go"}, all},
		"a file with a stack name": {[]string{"infra/Pulumi.dev.yaml"}, all},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, Touched(all, test.files)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}
