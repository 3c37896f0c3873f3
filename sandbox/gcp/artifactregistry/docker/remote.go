package docker

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// manifestTypes lists the media types that the endpoint can store.
var manifestTypes = []string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex),
	string(types.DockerManifestSchema2), string(types.DockerManifestList),
}

// serveRemote serves a remote repository: a manifest that is not cached yet is
// fetched from the upstream with all its blobs, then everything comes from the
// cache ("Remote repositories overview", Artifact Registry documentation).
func (s *storage) serveRemote(w http.ResponseWriter, r *http.Request, repository Repository, t target) {
	if t.object == "manifests" {
		if err := s.fetch(r.Context(), repository, r.URL.Path, t); err != nil {
			fail(w, http.StatusNotFound, "MANIFEST_UNKNOWN", fmt.Sprintf(
				"Failed to fetch %q from the upstream of repository %q: %v", t.image+":"+t.reference, base(t.repository), err))
			return
		}
	}
	s.open(repository).ServeHTTP(w, r)
}

// fetch makes sure that the cache has a manifest. A tag is looked up again each
// time, because it may have moved; without the upstream the cached one serves.
func (s *storage) fetch(ctx context.Context, repository Repository, path string, t target) error {
	s.fetching.Lock()
	defer s.fetching.Unlock()
	_, cached := s.digest(ctx, repository, path)
	if cached && strings.Contains(t.reference, ":") {
		return nil
	}
	if err := s.copyImage(ctx, repository, path, t); err != nil && !cached {
		return err
	}
	return nil
}

func (s *storage) copyImage(ctx context.Context, repository Repository, path string, t target) error {
	image := t.image
	if !strings.Contains(image, "/") {
		image = "library/" + image // Docker Hub's official images
	}
	from, err := reference("upstream.invalid", image, t.reference)
	if err != nil {
		return err
	}
	local := strings.TrimPrefix(path[:strings.LastIndex(path, "/manifests/")], "/v2/")
	to, err := reference("cache.invalid", local, t.reference)
	if err != nil {
		return err
	}
	cache := []remote.Option{remote.WithTransport(transport{s.open(repository)}), remote.WithContext(ctx)}
	// A retry does not help: the upstream is in this process.
	descriptor, err := remote.Get(from, remote.WithTransport(transport{s.upstream}), remote.WithContext(ctx), remote.WithRetryStatusCodes())
	if err != nil {
		return err
	}
	if descriptor.MediaType.IsIndex() {
		return putIndex(to, descriptor, cache)
	}
	img, err := descriptor.Image()
	if err != nil {
		return err
	}
	return remote.Write(to, img, cache...)
}

// putIndex caches an index alone: clients come back for the image they want.
func putIndex(to name.Reference, d *remote.Descriptor, cache []remote.Option) error {
	if tag, ok := to.(name.Tag); ok {
		return remote.Tag(tag, d, cache...)
	}
	return remote.Put(to, d, cache...)
}

// reference names a manifest at a registry that is reached in this process.
func reference(host, image, tagOrDigest string) (name.Reference, error) {
	separator := ":"
	if strings.Contains(tagOrDigest, ":") {
		separator = "@"
	}
	return name.ParseReference(host+"/"+image+separator+tagOrDigest, name.Insecure)
}
