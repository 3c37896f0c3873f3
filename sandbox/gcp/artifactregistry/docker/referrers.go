package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// manifest holds the fields by which a manifest is attached to another one.
type manifest struct {
	MediaType    types.MediaType   `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       v1.Descriptor     `json:"config"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

// referrersFolder returns the folder with a file for each manifest that is attached to a
// subject of an image's name.
func referrersFolder(repository Repository, t target, subject v1.Hash) string {
	return filepath.Join(repository.Folder, "referrers", filepath.FromSlash(t.image), subject.Hex)
}

// putManifest stores a manifest, and what it is attached to: distribution keeps no
// such list (OCI distribution specification, "Pushing Manifests with Subject").
func (s *storage) putManifest(w http.ResponseWriter, r *http.Request, repository Repository, t target) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifestBytes))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "SIZE_INVALID", err.Error())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var pushed manifest
	if json.Unmarshal(body, &pushed) == nil && pushed.Subject != nil {
		if err := record(repository, t, pushed, body); err != nil {
			fail(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
		w.Header().Set("OCI-Subject", pushed.Subject.Digest.String())
	}
	s.open(repository).ServeHTTP(w, r)
}

func record(repository Repository, t target, pushed manifest, body []byte) error {
	digest, size, err := v1.SHA256(bytes.NewReader(body))
	if err != nil {
		return err
	}
	descriptor := v1.Descriptor{MediaType: pushed.MediaType, Digest: digest, Size: size, ArtifactType: pushed.ArtifactType, Annotations: pushed.Annotations}
	if descriptor.ArtifactType == "" {
		descriptor.ArtifactType = string(pushed.Config.MediaType)
	}
	text, err := json.Marshal(descriptor)
	if err != nil {
		return err
	}
	folder := referrersFolder(repository, t, pushed.Subject.Digest)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, digest.Hex), text, 0o644)
}

// listReferrers answers with what is attached to a manifest, of one type if the query
// names it (OCI distribution specification, "Listing Referrers").
func listReferrers(w http.ResponseWriter, r *http.Request, repository Repository, t target) {
	subject, err := v1.NewHash(t.reference)
	if err != nil {
		fail(w, http.StatusBadRequest, "DIGEST_INVALID", err.Error())
		return
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	folder := referrersFolder(repository, t, subject)
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fail(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	wanted := r.URL.Query().Get("artifactType")
	for _, entry := range entries {
		var d v1.Descriptor
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		if err != nil {
			fail(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
		if wanted == "" || d.ArtifactType == wanted {
			index.Manifests = append(index.Manifests, d)
		}
	}
	if wanted != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	w.Header().Set("Content-Type", string(types.OCIImageIndex))
	_ = json.NewEncoder(w).Encode(index) // a client that went away needs no answer
}
