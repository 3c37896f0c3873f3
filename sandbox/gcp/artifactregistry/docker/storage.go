package docker

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // registers the driver
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sirupsen/logrus"
)

// storage holds the OCI registries behind the repositories, one each. Deleting a repository is
// deleting a folder.
type storage struct {
	upstream http.Handler

	mu         sync.Mutex
	registries map[string]http.Handler

	// fetching lets one pull at a time fill the cache of remote repositories:
	// the others then find what they want.
	fetching sync.Mutex
}

// open returns the registry of a repository.
func (s *storage) open(repository Repository) http.Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.registries[repository.Folder]; ok {
		return h
	}
	if s.registries == nil {
		s.registries = map[string]http.Handler{}
		// Distribution logs through logrus' only logger, and logs every missing manifest as an
		// error. Clients get all errors as answers.
		logrus.SetLevel(logrus.FatalLevel)
	}
	h := handlers.NewApp(context.Background(), distributionConfig(repository.Folder))
	s.registries[repository.Folder] = h
	return h
}

func distributionConfig(folder string) *configuration.Configuration {
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": {"rootdirectory": folder},
			"delete":     {"enabled": true},
			"maintenance": {"uploadpurging": map[any]any{
				"enabled": true, "age": "168h", "interval": "24h", "dryrun": false,
			}},
		},
	}
	// Clients follow Location headers to the host they asked.
	config.HTTP.RelativeURLs = true
	// Signs the state of an upload; an upload does not outlive the process.
	config.HTTP.Secret = rand.Text()
	// A remote repository caches an index before, or without, its images.
	config.Validation.Manifests.Indexes.Platforms = "none"
	return config
}

// movesTag reports whether a request changes or deletes a tag that exists ("Docker tag settings"
// in "Create standard repositories", Artifact Registry).
func (s *storage) movesTag(r *http.Request, repository Repository, t target) bool {
	if strings.Contains(t.reference, ":") || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	old, ok := s.digest(r.Context(), repository, r.URL.Path)
	if !ok {
		return false
	}
	if r.Method == http.MethodDelete {
		return true
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxManifestBytes))
	if err != nil {
		return true
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	digest, _, err := v1.SHA256(bytes.NewReader(body))
	return err != nil || digest.String() != old
}

// maxManifestBytes is the limit for manifests that the OCI distribution
// specification recommends ("Pushing Manifests").
const maxManifestBytes = 4 << 20

// digest returns the digest of the manifest stored under a path.
func (s *storage) digest(ctx context.Context, repository Repository, path string) (string, bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, path, nil)
	if err != nil {
		return "", false
	}
	request.Header["Accept"] = manifestTypes
	response, err := transport{s.open(repository)}.RoundTrip(request)
	if err != nil {
		return "", false
	}
	response.Body.Close()
	return response.Header.Get("Docker-Content-Digest"), response.StatusCode == http.StatusOK
}
