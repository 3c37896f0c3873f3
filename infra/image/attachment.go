package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"example.com/grpc-edge/internal/git"
)

// Types of the attachments of an image. One lists its modules, in CycloneDX (IANA media
// types). The other describes its source, as an in-toto statement (in-toto attestation
// framework, "Envelope" without signature) with SLSA's provenance.
const (
	bomType        types.MediaType = "application/vnd.cyclonedx+json"
	provenanceType types.MediaType = "application/vnd.in-toto+json"
	statementType                  = "https://in-toto.io/Statement/v1"
	predicateType                  = "https://slsa.dev/provenance/v1"
	// buildType defines the parameters in a provenance: they are fields of Source. It also
	// names this package as the way the image is built, and as the builder.
	buildType = "urn:grpc-edge:infra:image"
)

// Manifests is the number of manifests that a registry has for each image: its own, and one
// for each attachment.
const Manifests = 3

// attach returns the attachments of an image: its provenance, and last its modules.
func attach(b *Built) ([]v1.Image, error) {
	digest, err := b.Image.Digest()
	if err != nil {
		return nil, err
	}
	from, err := provenanceOf(b.source, digest, b.modules.GoVersion)
	if err != nil {
		return nil, fmt.Errorf("describing where %s is from: %w", b.Name, err)
	}
	first, err := attachment(b.Image, provenanceType, from, map[string]string{"in-toto.io/predicate-type": predicateType})
	if err != nil {
		return nil, err
	}
	modules, err := bill(b.Name, b.modules)
	if err != nil {
		return nil, fmt.Errorf("listing the modules of %s: %w", b.Name, err)
	}
	last, err := attachment(b.Image, bomType, modules, nil)
	return []v1.Image{first, last}, err
}

// bill returns the list of the modules that a program was linked from. It is the same for
// each build of the same source.
func bill(name string, info *debug.BuildInfo) ([]byte, error) {
	components := []cdx.Component{component("std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		version := m.Version
		if m.Replace != nil && m.Replace.Version == "" {
			version = "" // a folder of this repository, at the commit of the image
		}
		components = append(components, component(m.Path, version, m.Sum))
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{Type: cdx.ComponentTypeApplication, Name: name, BOMRef: info.Main.Path}}
	bom.Components = &components
	var text bytes.Buffer
	err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
	return text.Bytes(), err
}

// component describes a module by its package URL (purl specification, type golang).
func component(path, version, sum string) cdx.Component {
	url := "pkg:golang/" + path
	if version != "" {
		url += "@" + version
	}
	c := cdx.Component{Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url, BOMRef: url}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: sum}}
	}
	return c
}

// statement is an in-toto statement v1 with a provenance v1 of SLSA.
type statement struct {
	Type          string     `json:"_type"`
	Subject       []subject  `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     provenance `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type provenance struct {
	BuildDefinition struct {
		BuildType            string            `json:"buildType"`
		ExternalParameters   map[string]string `json:"externalParameters"`
		ResolvedDependencies []dependency      `json:"resolvedDependencies,omitempty"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID      string            `json:"id"`
			Version map[string]string `json:"version"`
		} `json:"builder"`
	} `json:"runDetails"`
}

type dependency struct {
	Name        string            `json:"name"`
	Digest      map[string]string `json:"digest"`
	Annotations map[string]bool   `json:"annotations,omitempty"`
}

// provenanceOf returns the commit that an image was built from, and how it was built. It is
// unsigned: it tells a person where to look, and proves nothing.
func provenanceOf(source Source, digest v1.Hash, goVersion string) ([]byte, error) {
	s := statement{Type: statementType, PredicateType: predicateType, Subject: []subject{{Name: source.Name, Digest: map[string]string{digest.Algorithm: digest.Hex}}}}
	build := &s.Predicate.BuildDefinition
	build.BuildType = buildType
	folder := strings.TrimSuffix(inFolder(source.Dir, "rev-parse", "--show-prefix"), "/")
	build.ExternalParameters = map[string]string{"folder": folder, "name": source.Name, "architecture": source.Architecture}
	if commit := inFolder(source.Dir, "rev-parse", "HEAD"); commit != "" {
		build.ResolvedDependencies = []dependency{{
			Name: "source", Digest: map[string]string{"gitCommit": commit},
			Annotations: map[string]bool{"changed": inFolder(source.Dir, "status", "--porcelain", "--", ":/services", ":/envoy") != ""},
		}}
	}
	s.Predicate.RunDetails.Builder.ID = buildType
	s.Predicate.RunDetails.Builder.Version = map[string]string{"go": goVersion}
	return json.Marshal(s)
}

// inFolder returns what git prints in a folder of the repository, or nothing outside a clone.
func inFolder(dir string, args ...string) string {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	out, err := git.Output(workspaceOf(absolute), append([]string{"-C", absolute}, args...)...)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// workspaceOf returns the nearest folder above dir with a go.work, the repository's root;
// dir itself where there is none.
func workspaceOf(dir string) string {
	for folder := dir; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder
		}
	}
	return dir
}

// attachment returns an OCI artifact with a file, which refers to the image (OCI image
// specification 1.1, "Guidelines for Artifact Usage").
func attachment(to v1.Image, kind types.MediaType, content []byte, annotations map[string]string) (v1.Image, error) {
	digest, err := to.Digest()
	if err != nil {
		return nil, err
	}
	size, err := to.Size()
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), kind)
	artifact, err := mutate.Append(base, mutate.Addendum{Layer: static.NewLayer(content, kind)})
	if err != nil {
		return nil, err
	}
	if len(annotations) > 0 {
		artifact = mutate.Annotations(artifact, annotations).(v1.Image) // annotated images are images
	}
	return mutate.Subject(artifact, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: size}).(v1.Image), nil
}
