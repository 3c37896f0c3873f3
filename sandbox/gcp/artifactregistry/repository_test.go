package artifactregistry_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

const docker = "us-central1-docker.pkg.dev"

// registryWorld is a cloud with repositories and a server for their endpoint.
type registryWorld struct {
	*gcp.Cloud
	upstream *switchable
	client   remote.Option // reaches the endpoint under its real name
}

// switchable is an upstream that can go away.
type switchable struct {
	http.Handler
	requests []string
	down     bool
}

func (s *switchable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	if s.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	s.Handler.ServeHTTP(w, r)
}

func newRegistryWorld(t *testing.T, dir string) *registryWorld {
	t.Helper()
	c := gcptest.Open(t, dir, gcptest.NewRuntime())
	gcptest.Enable(t, c)
	w := &registryWorld{Cloud: c, upstream: &switchable{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}}
	w.client = w.serve(t)
	return w
}

func (w *registryWorld) serve(t *testing.T) remote.Option {
	t.Helper()
	server := httptest.NewServer(artifactregistry.Registry(w.Cloud, w.upstream))
	t.Cleanup(server.Close)
	proxy, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	// The server stands in for every host, as a proxy would.
	return remote.WithTransport(&http.Transport{Proxy: http.ProxyURL(proxy)})
}

// as returns the option to sign in with an access token of an account.
func (w *registryWorld) as(email string) remote.Option {
	return remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: w.Token(email)})
}

func (w *registryWorld) deployer() remote.Option { return w.as(gcp.Deployer("test-project")) }

func ref(t *testing.T, s string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(s, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func image(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(2048, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digest(t *testing.T, img interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// refusal returns the status and the text of an error answer.
func refusal(err error) (status int, text string) {
	var answer *transport.Error
	if errors.As(err, &answer) {
		status = answer.StatusCode
	}
	return status, gcptest.ErrorText(err)
}

func wantRefusal(t *testing.T, what string, err error, status int, text string) {
	t.Helper()
	if got, s := refusal(err); got != status || !strings.Contains(s, text) {
		t.Errorf("%s: %v, want %d with %q", what, err, status, text)
	}
}

func TestRegistryPermissions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newRegistryWorld(t, dir)
	gcptest.Create(t, w.Cloud, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
	gcptest.Create(t, w.Cloud, artifactregistry.KindRepository, gcp.Properties{"repositoryId": "images", "format": "DOCKER", "location": "us-central1"})
	img := image(t)
	target := ref(t, docker+"/test-project/images/team/echo:v1")
	node := w.as(gcptest.AccountEmail)
	const denied = `DENIED: Permission "artifactregistry.repositories.`
	wantRefusal(t, "anonymous push", remote.Write(target, img, w.client), http.StatusForbidden, denied+"uploadArtifacts")
	wantRefusal(t, "push by a node", remote.Write(target, img, w.client, node), http.StatusForbidden, denied+"uploadArtifacts")
	if err := remote.Write(target, img, w.client, w.deployer()); err != nil {
		t.Fatalf("push by the deployer: %v", err)
	}
	byDigest := ref(t, docker+"/test-project/images/team/echo@"+digest(t, img))
	_, err := remote.Get(byDigest, w.client, node)
	wantRefusal(t, "pull without a role", err, http.StatusForbidden, denied+`downloadArtifacts" denied on resource "projects/test-project/locations/us-central1/repositories/images"`)
	_, err = remote.Get(byDigest, w.client, remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: "ya29.x"}))
	wantRefusal(t, "pull with a wrong token", err, http.StatusUnauthorized, "")

	reader := gcptest.Create(t, w.Cloud, artifactregistry.KindRepositoryMember, gcp.Properties{"repository": "images", "location": "us-central1",
		"role": "roles/artifactregistry.reader", "member": "serviceAccount:" + gcptest.AccountEmail})
	pulled, err := remote.Image(byDigest, w.client, node)
	if err != nil || digest(t, pulled) != digest(t, img) {
		t.Fatalf("pull with the role: %v", err)
	}
	wantRefusal(t, "push by a reader", remote.Write(target, image(t), w.client, node), http.StatusForbidden, denied+"uploadArtifacts")
	wantRefusal(t, "delete by a reader", remote.Delete(byDigest, w.client, node), http.StatusForbidden, denied)
	gcptest.Remove(t, w.Cloud, reader.Name)
	_, err = remote.Get(byDigest, w.client, node)
	wantRefusal(t, "pull after the role is gone", err, http.StatusForbidden, denied)

	_, err = remote.Get(ref(t, docker+"/test-project/none/echo:v1"), w.client, w.deployer())
	wantRefusal(t, "missing repository", err, http.StatusNotFound, `NAME_UNKNOWN: Repository "none" not found`)
	_, err = remote.Get(ref(t, "europe-west1-docker.pkg.dev/test-project/images/team/echo:v1"), w.client, w.deployer())
	wantRefusal(t, "another location", err, http.StatusNotFound, "NAME_UNKNOWN")
}

// TestRegistryListsAttachments pushes an artifact that refers to an image, in a
// repository whose tags do not move.
func TestRegistryListsAttachments(t *testing.T) {
	t.Parallel()
	w := newRegistryWorld(t, t.TempDir())
	gcptest.Create(t, w.Cloud, artifactregistry.KindRepository, gcp.Properties{"repositoryId": "images", "format": "DOCKER", "location": "us-central1",
		"dockerConfig": map[string]any{"immutableTags": true}})
	img := image(t)
	if err := remote.Write(ref(t, docker+"/test-project/images/echo:v1"), img, w.client, w.deployer()); err != nil {
		t.Fatal(err)
	}
	size, err := img.Size()
	if err != nil {
		t.Fatal(err)
	}
	hash, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	artifact, isImage := mutate.Subject(mutate.ConfigMediaType(image(t), "application/vnd.test+json"),
		v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: hash, Size: size}).(v1.Image)
	if !isImage {
		t.Fatal("the artifact is no image")
	}
	attachment := ref(t, docker+"/test-project/images/echo@"+digest(t, artifact))
	if err := remote.Write(attachment, artifact, w.client, w.deployer(), remote.WithReferrersTagFallback(false)); err != nil {
		t.Fatal(err)
	}
	list := func(filter string) []v1.Descriptor {
		t.Helper()
		subject, isDigest := ref(t, docker+"/test-project/images/echo@"+digest(t, img)).(name.Digest)
		if !isDigest {
			t.Fatal("the subject has no digest")
		}
		index, err := remote.Referrers(subject, w.client, w.deployer(), remote.WithFilter("artifactType", filter))
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		return manifest.Manifests
	}
	if got := list("application/vnd.test+json"); len(got) != 1 || got[0].Digest.String() != digest(t, artifact) {
		t.Errorf("got %+v, want the artifact", got)
	}
	if got := list("application/vnd.other+json"); len(got) != 0 {
		t.Errorf("got %+v of another type, want none", got)
	}
}

func TestRegistryKeepsImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newRegistryWorld(t, dir)
	config := gcp.Properties{"repositoryId": "images", "format": "DOCKER", "location": "us-central1"}
	o := gcptest.Create(t, w.Cloud, artifactregistry.KindRepository, config)
	img, target := image(t), ref(t, docker+"/test-project/images/echo:v1")
	if err := remote.Write(target, img, w.client, w.deployer()); err != nil {
		t.Fatal(err)
	}
	again := &registryWorld{Cloud: gcptest.Open(t, dir, gcptest.NewRuntime()), upstream: w.upstream}
	again.client = again.serve(t)
	if got, err := remote.Head(target, again.client, again.deployer()); err != nil || got.Digest.String() != digest(t, img) {
		t.Errorf("after reopening: %v, %v, want the image", got, err)
	}
	gcptest.Remove(t, again.Cloud, o.Name)
	if left, err := os.ReadDir(filepath.Join(dir, "registry")); err != nil || len(left) != 0 {
		t.Errorf("after deleting the repository: %v, %v, want no files", left, err)
	}
	gcptest.Create(t, again.Cloud, artifactregistry.KindRepository, config)
	_, err := remote.Get(target, again.client, again.deployer())
	wantRefusal(t, "image of the repository that had the name before", err, http.StatusNotFound, "")
}

func TestRegistryImmutableTags(t *testing.T) {
	t.Parallel()
	w := newRegistryWorld(t, t.TempDir())
	gcptest.Create(t, w.Cloud, artifactregistry.KindRepository, gcp.Properties{"repositoryId": "images", "format": "DOCKER", "location": "us-central1",
		"dockerConfig": gcp.Properties{"immutableTags": true}})
	img, target := image(t), ref(t, docker+"/test-project/images/echo:v1")
	for range 2 { // the same image again moves nothing
		if err := remote.Write(target, img, w.client, w.deployer()); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal(t, "moving a tag", remote.Write(target, image(t), w.client, w.deployer()), http.StatusForbidden, "immutable tags")
	wantRefusal(t, "deleting a tag", remote.Delete(target, w.client, w.deployer()), http.StatusForbidden, "immutable tags")
	if err := remote.Write(ref(t, docker+"/test-project/images/echo:v2"), image(t), w.client, w.deployer()); err != nil {
		t.Errorf("another tag: %v", err)
	}
}

func TestRegistryPullThrough(t *testing.T) {
	t.Parallel()
	w := newRegistryWorld(t, t.TempDir())
	gcptest.Create(t, w.Cloud, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
	gcptest.Create(t, w.Cloud, artifactregistry.KindRepository, gcp.Properties{"repositoryId": "hub", "format": "DOCKER", "location": "us-central1", "mode": "REMOTE_REPOSITORY",
		"remoteRepositoryConfig": gcp.Properties{"dockerRepository": gcp.Properties{"publicRepository": "DOCKER_HUB"}}})
	gcptest.Create(t, w.Cloud, artifactregistry.KindRepositoryMember, gcp.Properties{"repository": "hub", "location": "us-central1",
		"role": "roles/artifactregistry.reader", "member": "serviceAccount:" + gcptest.AccountEmail})
	hub := httptest.NewServer(w.upstream.Handler)
	t.Cleanup(hub.Close)
	host := strings.TrimPrefix(hub.URL, "http://")
	img := image(t)
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
	for _, put := range []error{
		remote.Write(ref(t, host+"/envoyproxy/envoy:v1"), img),
		remote.WriteIndex(ref(t, host+"/envoyproxy/envoy:all"), index),
		remote.Write(ref(t, host+"/library/busybox:v1"), img),
	} {
		if put != nil {
			t.Fatal(put)
		}
	}
	node := w.as(gcptest.AccountEmail)
	local := docker + "/test-project/hub/"
	pull := func(from string) {
		t.Helper()
		got, err := remote.Image(ref(t, local+from), w.client, node)
		if err != nil {
			t.Fatalf("pulling %s: %v", from, err)
		}
		layers, err := got.Layers()
		if err != nil || digest(t, got) != digest(t, img) || len(layers) != 2 {
			t.Fatalf("%s = %v, %d layers, %v, want the upstream's image", from, digest(t, got), len(layers), err)
		}
		for _, layer := range layers {
			content, err := layer.Compressed()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	pull("envoyproxy/envoy:all")
	pull("envoyproxy/envoy@" + digest(t, img))
	pull("busybox:v1")
	w.upstream.down = true
	pull("envoyproxy/envoy:all")
	pull("envoyproxy/envoy@" + digest(t, img))
	_, err := remote.Get(ref(t, local+"envoyproxy/envoy:none"), w.client, node)
	wantRefusal(t, "unknown image", err, http.StatusNotFound, "MANIFEST_UNKNOWN")
	wantRefusal(t, "push", remote.Write(ref(t, local+"x/y:v1"), img, w.client, w.deployer()), http.StatusForbidden, "remote repository")
}

func TestRegistryChallenge(t *testing.T) {
	t.Parallel()
	w := newRegistryWorld(t, t.TempDir())
	handler := artifactregistry.Registry(w.Cloud, w.upstream)
	ask := func(host, path string, edit func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+host+path, nil)
		edit(r)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		return recorder
	}
	anonymous := ask(docker, "/v2/", func(*http.Request) {})
	want := `Bearer realm="https://` + docker + `/v2/token",service="` + docker + `"`
	if got := anonymous.Header().Get("WWW-Authenticate"); anonymous.Code != http.StatusUnauthorized || got != want {
		t.Errorf("anonymous: %d, %q, want 401, %q", anonymous.Code, got, want)
	}
	token := w.Token(gcp.Deployer("test-project"))
	for name, edit := range map[string]func(*http.Request){
		"basic":  func(r *http.Request) { r.SetBasicAuth("oauth2accesstoken", token) },
		"bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) },
	} {
		if got := ask(docker+":443", "/v2/", edit).Code; got != http.StatusOK {
			t.Errorf("%s: %d, want 200", name, got)
		}
		if got := ask(docker, "/v2/token", edit); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), token) {
			t.Errorf("%s token: %d, want the token back", name, got.Code)
		}
	}
	if got := ask(docker, "/v2/", func(r *http.Request) { r.SetBasicAuth("_json_key", token) }).Code; got != http.StatusUnauthorized {
		t.Errorf("another user name: %d, want 401", got)
	}
	if got := ask("gcr.io", "/v2/", func(*http.Request) {}).Code; got != http.StatusNotFound {
		t.Errorf("another host: %d, want 404", got)
	}
}

func TestRegistryAsksForTheSamePermissions(t *testing.T) {
	c, _ := gcptest.Guarded(t, "artifactregistry.repositories.uploadArtifacts")
	name := "projects/test-project/locations/us-central1/repositories/images"
	for permission, want := range map[string]bool{
		"artifactregistry.repositories.uploadArtifacts":   true,
		"artifactregistry.repositories.downloadArtifacts": false,
	} {
		if got := (artifactregistry.Repositories{c}).Allowed(gcptest.CIEmail, permission, name); got != want {
			t.Errorf("Allowed(%s) = %t, want %t", permission, got, want)
		}
	}
}

func TestUpstreamCredentialsAreRead(t *testing.T) {
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	mirror := gcp.Properties{"repositoryId": "hub", "format": "DOCKER", "mode": "REMOTE_REPOSITORY", "location": "us-central1", "remoteRepositoryConfig": gcp.Properties{
		"dockerRepository": gcp.Properties{"publicRepository": "DOCKER_HUB"},
		"upstreamCredentials": gcp.Properties{"usernamePasswordCredentials": gcp.Properties{
			"username": "edgebuilder", "passwordSecretVersion": "projects/test-project/secrets/docker-hub/versions/1"}}}}
	if _, err := c.Create(context.Background(), artifactregistry.KindRepository, gcptest.Here, mirror); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "gcp-sa-artifactregistry") {
		t.Errorf("with a secret that the service agent may not read: %v, want a refusal that names the agent", err)
	}
	gcptest.Create(t, c, secretmanager.KindSecretMember, gcp.Properties{"secretId": "docker-hub", "role": "roles/secretmanager.secretAccessor",
		"member": "serviceAccount:service-" + gcp.ProjectNumber("test-project") + "@gcp-sa-artifactregistry.iam.gserviceaccount.com"})
	gcptest.Create(t, c, artifactregistry.KindRepository, mirror)
}

// TestEncryption checks that what is encrypted with a key can be made once the service's agent may
// use it.
func TestEncryption(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	agent := "serviceAccount:service-" + gcp.ProjectNumber("test-project") + "@gcp-sa-artifactregistry.iam.gserviceaccount.com"
	if _, err := c.Create(context.Background(), kms.KindCryptoKeyMember, gcptest.Here, gcp.Properties{"cryptoKeyId": gcptest.KeyName, "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter", "member": agent}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(context.Background(), artifactregistry.KindRepository, gcptest.Here, gcp.Properties{
		"repositoryId": "sealed", "format": "DOCKER", "location": "us-central1", "kmsKeyName": gcptest.KeyName}); err != nil {
		t.Error(err)
	}
}
