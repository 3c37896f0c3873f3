// Package docker serves the Docker endpoint of Artifact Registry: one HTTP handler for
// every <location>-docker.pkg.dev host, with a real and persistent OCI registry
// behind each repository, Google's authentication and permissions in front of
// it, and pull-through for remote repositories.
package docker

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// The IAM permissions the endpoint asks for ("Access control with IAM",
// Artifact Registry documentation).
const (
	PermissionDownload = "artifactregistry.repositories.downloadArtifacts"
	PermissionUpload   = "artifactregistry.repositories.uploadArtifacts"
	PermissionDelete   = "artifactregistry.repositories.deleteArtifacts"
)

// hostSuffix ends every Docker host of Artifact Registry; the part before it
// is the location ("Repository and artifact names").
const hostSuffix = "-docker.pkg.dev"

// Repository describes one repository to the endpoint.
type Repository struct {
	// Folder holds the repository's images. It differs for two repositories
	// that had the same name one after the other.
	Folder string
	// Remote repositories serve what their upstream has, and accept no push.
	Remote bool
	// ImmutableTags forbids moving or deleting a tag.
	ImmutableTags bool
}

// Repositories is the cloud as the endpoint sees it. Names are full relative
// resource names, projects/<project>/locations/<location>/repositories/<id>.
type Repositories interface {
	// Identity returns the account an access token was minted for.
	Identity(token string) (email string, ok bool)
	// Repository returns a repository in Docker format, if it exists.
	Repository(name string) (Repository, bool)
	// Allowed reports whether an account has a permission on a repository.
	Allowed(email, permission, name string) bool
}

type endpoint struct {
	repositories Repositories
	storage      storage
}

// New returns the endpoint. upstream is the registry that stands behind remote
// repositories (Docker Hub); it is asked for images by their names there.
func New(repositories Repositories, upstream http.Handler) http.Handler {
	return &endpoint{repositories: repositories, storage: storage{upstream: upstream}}
}

// target describes one parsed request.
type target struct {
	repository string // full relative resource name
	image      string // name of the image inside the repository
	object     string // "manifests", "blobs", "tags" or "referrers"
	reference  string // tag, digest or upload
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	location, ok := hostLocation(r.Host)
	if !ok {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN",
			fmt.Sprintf("%q is not an Artifact Registry host: these are named <location>%s", r.Host, hostSuffix))
		return
	}
	if r.URL.Path == "/v2/token" {
		e.token(w, r, location)
		return
	}
	email, ok := e.caller(w, r)
	if !ok {
		return
	}
	if r.URL.Path == "/v2/" || r.URL.Path == "/v2" {
		ping(w, r, email)
		return
	}
	t, ok := parse(location, r.URL.Path)
	if !ok {
		fail(w, http.StatusNotFound, "NAME_INVALID",
			fmt.Sprintf("path %q: images are named /v2/<project>/<repository>/<image>/...", r.URL.Path))
		return
	}
	e.serve(w, r, email, t)
}

// ping answers the version check, by which clients learn how to authenticate.
func ping(w http.ResponseWriter, r *http.Request, email string) {
	if email == "" {
		challenge(w, r)
		return
	}
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	fmt.Fprintln(w, "{}")
}

// serve applies permissions and the repository's own rules, in Google's order: a caller that may
// not read a repository does not learn that it is missing.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request, email string, t target) {
	if permission := permissionFor(r.Method); !e.repositories.Allowed(email, permission, t.repository) {
		if email == "" {
			challenge(w, r)
			return
		}
		denied(w, permission, t.repository)
		return
	}
	repository, ok := e.repositories.Repository(t.repository)
	if !ok {
		fail(w, http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("Repository %q not found", base(t.repository)))
		return
	}
	switch {
	case repository.Remote && permissionFor(r.Method) != PermissionDownload:
		fail(w, http.StatusForbidden, "DENIED", fmt.Sprintf("Repository %q is a remote repository: "+
			"its artifacts come from its upstream and cannot be changed", base(t.repository)))
	case repository.Remote:
		e.storage.serveRemote(w, r, repository, t)
	case repository.ImmutableTags && t.object == "manifests" && e.storage.movesTag(r, repository, t):
		fail(w, http.StatusForbidden, "DENIED", fmt.Sprintf("Tag %q of image %q exists already, and "+
			"repository %q has immutable tags: push another tag", t.reference, t.image, base(t.repository)))
	case t.object == "referrers":
		listReferrers(w, r, repository, t)
	case t.object == "manifests" && r.Method == http.MethodPut:
		e.storage.putManifest(w, r, repository, t)
	default:
		e.storage.open(repository).ServeHTTP(w, r)
	}
}

// hostLocation returns the location a Docker host serves.
func hostLocation(host string) (string, bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	location, ok := strings.CutSuffix(host, hostSuffix)
	return location, ok && location != "" && !strings.Contains(location, ".")
}

// parse parses a path of the distribution API. An image's name may hold slashes, so the search
// for the object starts at the end.
func parse(location, path string) (target, bool) {
	parts := strings.Split(strings.TrimPrefix(path, "/v2/"), "/")
	for i := len(parts) - 2; i >= 3; i-- {
		switch parts[i] {
		case "manifests", "blobs", "tags", "referrers":
			return target{
				repository: repositoryName(parts[0], location, parts[1]),
				image:      strings.Join(parts[2:i], "/"),
				object:     parts[i],
				reference:  strings.Join(parts[i+1:], "/"),
			}, true
		}
	}
	return target{}, false
}

// repositoryName returns the full relative resource name of a repository.
func repositoryName(project, location, id string) string {
	return fmt.Sprintf("projects/%s/locations/%s/repositories/%s", project, location, id)
}

func permissionFor(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return PermissionDownload
	case http.MethodDelete:
		return PermissionDelete
	}
	return PermissionUpload
}

func base(name string) string { return name[strings.LastIndex(name, "/")+1:] }

func denied(w http.ResponseWriter, permission, repository string) {
	fail(w, http.StatusForbidden, "DENIED",
		fmt.Sprintf("Permission %q denied on resource %q (or it may not exist)", permission, repository))
}

// fail writes an error as the OCI distribution specification wants it.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	// The client went away if this cannot be written; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(map[string][]item{"errors": {{code, message}}})
}
