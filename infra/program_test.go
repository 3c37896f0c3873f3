package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

func TestEverythingDescendsFromAComponent(t *testing.T) {
	result := mustRun(t, "dev", false, nil)
	for _, r := range result.resources {
		if r.component != strings.HasPrefix(r.Type, "grpc-edge:") {
			t.Errorf("%s %s: component = %t", r.Type, r.Name, r.component)
		}
		if !r.component && !strings.HasPrefix(r.Parent, "grpc-edge:") {
			t.Errorf("%s %s has the parent %q, want a component", r.Type, r.Name, r.Parent)
		}
	}
}

// TestSecretsAreSecret checks that no credential is stored or shown in plain text.
func TestSecretsAreSecret(t *testing.T) {
	own, key := provided(t)
	for name, changes := range map[string]map[string]string{
		config.SelfSigned: nil, config.Provided: own, config.CertManager: withCertManager, config.CertificateAuthorityService: withPool,
	} {
		result := mustRun(t, "sandbox", false, changes)
		check(t, result.ofType(t, providerType)[0], map[string]any{"kubeconfig": "(secret)"})
		for _, r := range result.resources {
			if data := at(r.Inputs, "data"); r.Type == secretType && plain(data) != "(secret)" {
				t.Errorf("%s: the data of the Secret is not secret: %v", name, plain(data))
			}
		}
		if config := plain(result.outputs["kubeconfig"]); config != "(secret)" {
			t.Errorf("%s: the kubeconfig is not a secret output: %v", name, config)
		}
		everything := fmt.Sprint(plain(resource.NewObjectProperty(result.outputs)))
		for _, r := range result.resources {
			everything += fmt.Sprint(plain(resource.NewObjectProperty(r.Inputs)))
		}
		for _, private := range []string{"PRIVATE KEY", base64.StdEncoding.EncodeToString([]byte(key))} {
			if strings.Contains(everything, private) {
				t.Errorf("%s: a private key is in the clear", name)
			}
		}
	}
}

// TestResourceManagerIsEnabledFirst checks that Cloud Resource Manager is enabled before the other
// APIs. The provider asks it about the project while it enables them.
func TestResourceManagerIsEnabledFirst(t *testing.T) {
	const first = "gcp:projects/service:Service project-cloudresourcemanager"
	for _, r := range mustRun(t, "sandbox", false, nil).ofType(t, "gcp:projects/service:Service") {
		want := []string{first}
		if r.Type+" "+r.Name == first {
			want = nil
		}
		if diff := cmp.Diff(want, r.DependsOn); diff != "" {
			t.Errorf("%s depends on (-want +got):\n%s", r.Name, diff)
		}
	}
}

// TestClusterObjectsNeedNodes checks that everything in the cluster uses a provider that outlives
// it and that depends on the nodes. So finalizers still have controllers during deletion.
func TestClusterObjectsNeedNodes(t *testing.T) {
	result := mustRun(t, "sandbox", false, nil)
	provider := result.ofType(t, providerType)[0]
	if !slices.Contains(provider.DependsOn, "gcp:container/nodePool:NodePool cluster-nodes") {
		t.Errorf("the Kubernetes provider depends on %v, want the node pool too", provider.DependsOn)
	}
	check(t, provider, map[string]any{"clusterIdentifier": "cluster-id"})
	for _, r := range result.resources {
		if strings.HasPrefix(r.Type, "kubernetes:") && r.Provider != providerType+" cluster" {
			t.Errorf("%s %s uses the provider %q", r.Type, r.Name, r.Provider)
		}
	}
	for _, r := range result.ofType(t, deploymentType) {
		if r.Name == "edge" {
			continue
		}
		// The image is in the registry before pods want it.
		if !slices.Contains(r.DependsOn, "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember registry-images-reader") {
			t.Errorf("deployment %s does not wait for its image: it depends on %v", r.Name, r.DependsOn)
		}
	}
}

func TestDeletionProtection(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "false": false} {
		result := mustRun(t, "sandbox", true, map[string]string{"grpc-edge:deletionProtection": value})
		var protected []string
		for _, r := range result.resources {
			if r.Protect {
				protected = append(protected, r.Name)
			}
		}
		check(t, result.ofType(t, clusterType)[0], map[string]any{"deletionProtection": want})
		slices.Sort(protected)
		names := []string{"cluster", "deletionProtection", "network", "network-edge", "registry-images"}
		if want && !slices.Equal(names, protected) || !want && len(protected) > 0 {
			t.Errorf("deletionProtection: %s protects %v, want all or none of %v", value, protected, names)
		}
		// What the guard does not depend on would be deleted before it.
		guard := result.named(t, "grpc-edge:protection:Protection", "deletionProtection")
		for _, r := range result.resources {
			if !r.component && !slices.Contains(guard.DependsOn, r.Type+" "+r.Name) {
				t.Errorf("%s %s could be deleted before the stack's protection is noticed", r.Type, r.Name)
			}
		}
	}
}

// TestStackName checks that the name of a stack is refused if it cannot be part of the names of
// repositories, which allow only some characters.
func TestStackName(t *testing.T) {
	c := &cloud{preview: true}
	address := c.start(t)
	err := pulumi.RunErr(program, func(info *pulumi.RunInfo) {
		*info = pulumi.RunInfo{
			Project: "grpc-edge", Stack: "Dev_1", RootDirectory: repository(t), Config: configOf(t, "dev"), DryRun: true,
			MonitorAddr: address, EngineAddr: address,
		}
	})
	want := "the name of the stack must be at most 40 lower case letters, digits and hyphens"
	if err == nil || !strings.Contains(err.Error(), want) || len(c.resources) > 0 {
		t.Errorf("stack Dev_1: error = %v and %d resources, want %q and none", err, len(c.resources), want)
	}
}

// TestFirstPreview checks that a preview of an empty project shows every resource and every digest,
// although it knows no address and no ID.
func TestFirstPreview(t *testing.T) {
	preview := mustRun(t, "sandbox", true, nil)
	created := mustRun(t, "sandbox", false, nil)
	if len(preview.resources) != len(created.resources) {
		t.Errorf("preview shows %d resources, up makes %d", len(preview.resources), len(created.resources))
	}
	for i, r := range preview.ofType(t, deploymentType) {
		const path = "spec.template.spec.containers[0].image"
		got, want := plain(at(r.Inputs, path)), plain(at(created.ofType(t, deploymentType)[i].Inputs, path))
		if got != want || !strings.Contains(fmt.Sprint(got), "@sha256:") {
			t.Errorf("%s: image in the preview = %v, later %v", r.Name, got, want)
		}
	}
	check(t, preview.named(t, serviceType, "edge"), map[string]any{
		`metadata.annotations["networking.gke.io/load-balancer-ip-addresses"]`: "(unknown)",
	})
	if address := plain(preview.outputs["address"]); address != "(unknown)" {
		t.Errorf("the preview knows an address that nobody has reserved: %v", address)
	}
}

func TestWrongConfigurationCreatesNothing(t *testing.T) {
	result, err := run(t, "sandbox", false, map[string]string{"grpc-edge:nodeCount": "0", "gcp:region": "mars"})
	if err == nil || !strings.Contains(err.Error(), "grpc-edge:nodeCount") || !strings.Contains(err.Error(), "gcp:region") {
		t.Errorf("error = %v, want both keys", err)
	}
	if len(result.resources) > 0 {
		t.Errorf("%d resources were registered", len(result.resources))
	}
}
