package artifactregistry

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

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry/docker"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

var repositoryResource = &gcp.Resource{
	Kind: KindRepository, Noun: "repository", Name: "projects/{project}/locations/{location}/repositories/{repositoryId}",
	Permissions: gcp.CRUD("artifactregistry.repositories"),
	Check:       checkRepository, Admit: admitRepository,
	Remove: func(_ context.Context, t *gcp.Change) error {
		// The images go with their repository ("Delete repositories", Artifact Registry).
		if err := os.RemoveAll(repositoryDir(t.Cloud(), t.Old)); err != nil {
			return fmt.Errorf("deleting the images of %s: %w", t.Old.Name, err)
		}
		return nil
	},
}

var repositoryMemberResource = &gcp.Resource{
	Kind: KindRepositoryMember, Noun: "IAM binding", Name: "projects/{project}/locations/{location}/repositories/{repository}/iam/{role}/{member}",
	Permissions: gcp.Binding("artifactregistry.repositories", gcp.OnObject),
	Idempotent:  true, Check: iam.CheckMember, Admit: admitRepositoryMember,
}

// storageKey is the property that names the folder of a repository's images.
// It belongs to the emulator and is not an output.
const storageKey = "storage"

// repositoryID matches a repository's ID ("Create standard repositories", Artifact Registry).
var repositoryID = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$`)

func checkRepository(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("repositoryId", repositoryID, "be 1-63 characters: a lowercase letter, then lowercase letters, digits and hyphens")
	c.OnlyEmulated("mode", "STANDARD_REPOSITORY", "REMOTE_REPOSITORY")
	c.NotEmulated("remoteRepositoryConfig.dockerRepository.customRepository", "remoteRepositoryConfig.commonRepository")
	c.OneOf("vulnerabilityScanningConfig.enablementConfig", "INHERITED", "DISABLED")
	if f := p.Text("format"); f != "" && !strings.EqualFold(f, "DOCKER") {
		c.Wrong("format", "%q: only DOCKER repositories are emulated", f)
	}
	ids := map[string]bool{}
	for i, policy := range p.Objects("cleanupPolicies") {
		at := fmt.Sprintf("cleanupPolicies[%d]", i)
		if id := policy.Text("id"); id != "" && ids[id] {
			c.Wrong(at+".id", "%q is used twice", id)
		}
		ids[policy.Text("id")] = true
		if a := policy.Text("action"); a != "" && !slices.Contains([]string{"DELETE", "KEEP"}, a) {
			c.Wrong(at+".action", "%q is not one of DELETE, KEEP", a)
		}
		// "Configure cleanup policies": a policy has either condition, and only KEEP has the second.
		if policy.Has("mostRecentVersions") && (policy.Has("condition") || policy.Text("action") == "DELETE") {
			c.Wrong(at+".mostRecentVersions", "goes with action KEEP and without a condition")
		}
	}
	return c.Found
}

func admitRepository(t *gcp.Change) error {
	p := t.New.Config
	if remote := p.Text("mode") == "REMOTE_REPOSITORY"; remote != p.Has("remoteRepositoryConfig") {
		return gcp.BadRequest("remoteRepositoryConfig is set if and only if the mode is REMOTE_REPOSITORY.")
	}
	if err := kms.MayEncrypt(t, p.Text("kmsKeyName"), gcp.Agents["artifactregistry.googleapis.com"]); err != nil {
		return err
	}
	if err := checkUpstreamCredentials(t, p.Text("remoteRepositoryConfig.upstreamCredentials.usernamePasswordCredentials.passwordSecretVersion")); err != nil {
		return err
	}
	if t.Old == nil {
		t.New.Status[storageKey] = rand.Text()
	}
	now := t.Now().UTC().Format(time.RFC3339Nano)
	t.Stamp("createTime")
	t.Complete(gcp.Properties{
		"name": t.New.ID(), "updateTime": now,
		"registryUri": fmt.Sprintf("%s-docker.pkg.dev/%s/%s", t.New.Status.Text("location"), t.New.Project(), t.New.ID()),
	}, gcp.Properties{
		"mode":                        "STANDARD_REPOSITORY",
		"vulnerabilityScanningConfig": gcp.Properties{"enablementConfig": "", "enablementState": "SCANNING_DISABLED", "enablementStateReason": "API containerscanning.googleapis.com is not enabled."},
	})
	return nil
}

func admitRepositoryMember(t *gcp.Change) error {
	name, _, _ := strings.Cut(t.New.Name, "/iam/")
	if _, err := t.ExistingOf(KindRepository, name); err != nil {
		return err
	}
	return iam.AdmitMember(t)
}

// checkUpstreamCredentials checks that the service agent may read the secret with which a remote
// repository signs in at its upstream ("Configure remote repository authentication to Docker
// Hub").
func checkUpstreamCredentials(t *gcp.Change, version string) error {
	if version == "" {
		return nil
	}
	parts := secretmanager.VersionName.FindStringSubmatch(version)
	if parts == nil {
		return gcp.BadRequest("The secret version %q is not projects/*/secrets/*/versions/*.", version)
	}
	agent := fmt.Sprintf("service-%s@%s.iam.gserviceaccount.com", gcp.ProjectNumber(t.New.Project()), gcp.Agents["artifactregistry.googleapis.com"])
	const permission = "secretmanager.versions.access"
	secret := "projects/" + t.ProjectID(parts[1]) + "/secrets/" + parts[2]
	if !t.Granted(agent, gcp.Need{Permission: permission, Resource: secret}) {
		return &gcp.Error{Code: 403, Reason: "forbidden", Message: fmt.Sprintf("Permission '%s' denied for resource '%s': grant roles/secretmanager.secretAccessor on it to %s.",
			permission, secret, agent)}
	}
	return nil
}

// repositoryDir returns the folder of a repository's images.
func repositoryDir(c *gcp.Cloud, o *gcp.Object) string {
	return c.Path("registry", o.Status.Text(storageKey))
}

// Registry returns the Docker endpoint of Artifact Registry, for every host
// <location>-docker.pkg.dev. upstream is an OCI registry that stands in for Docker Hub.
func Registry(c *gcp.Cloud, upstream http.Handler) http.Handler {
	return docker.New(Repositories{c}, upstream)
}

// Repositories shows the cloud to the endpoint.
type Repositories struct{ *gcp.Cloud }

// Repository implements docker.Repositories.
func (r Repositories) Repository(name string) (docker.Repository, bool) {
	v, done := r.View()
	defer done()
	o, ok := v.Object(name)
	if !ok || !o.Made() {
		return docker.Repository{}, false
	}
	return docker.Repository{
		Folder:        repositoryDir(r.Cloud, o),
		Remote:        o.Config.Text("mode") == "REMOTE_REPOSITORY",
		ImmutableTags: o.Config.Bool("dockerConfig.immutableTags"),
	}, true
}

// Allowed implements docker.Repositories.
func (r Repositories) Allowed(email, permission, name string) bool {
	v, done := r.View()
	defer done()
	return v.RequireAPI("artifactregistry.googleapis.com", gcp.Segment(name, "projects")) == nil &&
		v.Granted(email, gcp.Need{Permission: permission, Resource: name})
}
