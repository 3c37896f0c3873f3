package gcp

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/sandbox/gcp/registry"
)

var repositoryRule = &rule{
	kind: KindRepository, name: "projects/{project}/locations/{location}/repositories/{repositoryId}",
	permissions: crud("artifactregistry.repositories"),
	noun:        "repository", check: checkRepository, admit: admitRepository,
	raze: func(_ context.Context, t *change) error {
		// The images go with their repository ("Delete repositories", Artifact Registry).
		if err := os.RemoveAll(repositoryDir(t.unlocked(), t.old)); err != nil {
			return fmt.Errorf("deleting the images of %s: %w", t.old.Name, err)
		}
		return nil
	},
}

var repositoryMemberRule = &rule{
	kind: KindRepositoryMember, name: "projects/{project}/locations/{location}/repositories/{repository}/iam/{role}/{member}",
	permissions: binding("artifactregistry.repositories", onObject),
	noun:        "IAM binding", idempotent: true, check: checkMember, admit: admitRepositoryMember,
}

// storageKey is the property that names the directory of a repository's images.
// It is the emulator's own and no output.
const storageKey = "storage"

// repositoryID matches a repository's ID ("Create standard repositories", Artifact Registry).
var repositoryID = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$`)

func checkRepository(p Properties) []Violation {
	c := &checker{p: p}
	c.match("repositoryId", repositoryID, "be 1-63 characters: a lowercase letter, then lowercase letters, digits and hyphens")
	c.oneOf("mode", "STANDARD_REPOSITORY", "REMOTE_REPOSITORY", "VIRTUAL_REPOSITORY")
	c.oneOf("vulnerabilityScanningConfig.enablementConfig", "INHERITED", "DISABLED")
	if f := p.str("format"); f != "" && !strings.EqualFold(f, "DOCKER") {
		c.wrong("format", "%q: only DOCKER repositories are emulated", f)
	}
	if p.str("mode") == "VIRTUAL_REPOSITORY" {
		c.wrong("mode", "virtual repositories are not emulated: use STANDARD_REPOSITORY or REMOTE_REPOSITORY")
	}
	ids := map[string]bool{}
	for i, policy := range p.objects("cleanupPolicies") {
		at := fmt.Sprintf("cleanupPolicies[%d]", i)
		if id := policy.str("id"); id != "" && ids[id] {
			c.wrong(at+".id", "%q is used twice", id)
		}
		ids[policy.str("id")] = true
		if a := policy.str("action"); a != "" && !slices.Contains([]string{"DELETE", "KEEP"}, a) {
			c.wrong(at+".action", "%q is not one of DELETE, KEEP", a)
		}
		// "Configure cleanup policies": a policy has either condition, and only KEEP has the second.
		if policy.has("mostRecentVersions") && (policy.has("condition") || policy.str("action") == "DELETE") {
			c.wrong(at+".mostRecentVersions", "goes with action KEEP and without a condition")
		}
	}
	return c.found
}

func admitRepository(t *change) error {
	p := t.new.Config
	if remote := p.str("mode") == "REMOTE_REPOSITORY"; remote != p.has("remoteRepositoryConfig") {
		return badRequest("remoteRepositoryConfig is set if and only if the mode is REMOTE_REPOSITORY.")
	}
	docker := p.object("remoteRepositoryConfig").object("dockerRepository")
	if custom := docker.str("customRepository.uri"); custom != "" && custom != "https://registry-1.docker.io" {
		return badRequest("Upstream %q is not emulated: the only upstream is DOCKER_HUB.", custom)
	}
	if err := t.mayEncrypt(p.str("kmsKeyName"), agents["artifactregistry.googleapis.com"]); err != nil {
		return err
	}
	if err := t.upstreamCredentials(p.str("remoteRepositoryConfig.upstreamCredentials.usernamePasswordCredentials.passwordSecretVersion")); err != nil {
		return err
	}
	if t.old == nil {
		t.new.Status[storageKey] = rand.Text()
	}
	now := t.now().UTC().Format(time.RFC3339Nano)
	t.stamp("createTime")
	t.complete(Properties{
		"name": t.new.last(), "updateTime": now,
		"registryUri": fmt.Sprintf("%s-docker.pkg.dev/%s/%s", t.new.Status.str("location"), t.new.project(), t.new.last()),
	}, Properties{
		"mode":                        "STANDARD_REPOSITORY",
		"vulnerabilityScanningConfig": Properties{"enablementConfig": "", "enablementState": "SCANNING_DISABLED", "enablementStateReason": "API containerscanning.googleapis.com is not enabled."},
	})
	return nil
}

func admitRepositoryMember(t *change) error {
	name, _, _ := strings.Cut(t.new.Name, "/iam/")
	if _, err := t.existingOf(KindRepository, name); err != nil {
		return err
	}
	return admitMember(t)
}

// upstreamCredentials checks that the service agent may read the secret with which a remote
// repository signs in at its upstream ("Configure remote repository authentication to Docker
// Hub").
func (t *change) upstreamCredentials(version string) error {
	if version == "" {
		return nil
	}
	parts := secretVersionName.FindStringSubmatch(version)
	if parts == nil {
		return badRequest("The secret version %q is not projects/*/secrets/*/versions/*.", version)
	}
	agent := fmt.Sprintf("service-%s@%s.iam.gserviceaccount.com", ProjectNumber(t.new.project()), agents["artifactregistry.googleapis.com"])
	const permission = "secretmanager.versions.access"
	secret := "projects/" + t.projectID(parts[1]) + "/secrets/" + parts[2]
	if !t.granted(agent, Need{Permission: permission, Resource: secret}) {
		return &Error{Code: 403, Reason: "forbidden", Message: fmt.Sprintf("Permission '%s' denied for resource '%s': grant roles/secretmanager.secretAccessor on it to %s.",
			permission, secret, agent)}
	}
	return nil
}

// repositoryDir returns the folder of a repository's images.
func repositoryDir(c *Cloud, o *Object) string { return c.path("registry", o.Status.str(storageKey)) }

// Registry returns the Docker endpoint of Artifact Registry, for every host
// <location>-docker.pkg.dev. upstream is an OCI registry that plays Docker Hub.
func Registry(c *Cloud, upstream http.Handler) http.Handler {
	return registry.New(repositories{c}, upstream)
}

// repositories shows the cloud to the endpoint.
type repositories struct{ *Cloud }

// Repository implements registry.Repositories.
func (r repositories) Repository(name string) (registry.Repository, bool) {
	v, done := r.View()
	defer done()
	o, ok := v.object(name)
	if !ok || !o.made() {
		return registry.Repository{}, false
	}
	return registry.Repository{
		Directory:     repositoryDir(r.Cloud, o),
		Remote:        o.Config.str("mode") == "REMOTE_REPOSITORY",
		ImmutableTags: o.Config.boolean("dockerConfig.immutableTags"),
	}, true
}

// Allowed implements registry.Repositories.
func (r repositories) Allowed(email, permission, name string) bool {
	v, done := r.View()
	defer done()
	return v.requireAPI("artifactregistry.googleapis.com", segment(name, "projects")) == nil &&
		v.granted(email, Need{Permission: permission, Resource: name})
}
