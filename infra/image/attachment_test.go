package image

import (
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// attached returns the attachments of an image in a registry, by their types.
func attached(t *testing.T, reference string) map[string][]byte {
	t.Helper()
	image, err := name.NewDigest(reference)
	if err != nil {
		t.Fatal(err)
	}
	login := remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: "token"})
	index, err := remote.Referrers(image, login)
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, descriptor := range list.Manifests {
		artifact, err := remote.Image(image.Context().Digest(descriptor.Digest.String()), login)
		if err != nil {
			t.Fatal(err)
		}
		found[descriptor.ArtifactType] = content(t, artifact)
	}
	return found
}

func content(t *testing.T, artifact v1.Image) []byte {
	t.Helper()
	layers, err := artifact.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("an artifact has %d layers (%v), want its file", len(layers), err)
	}
	reader, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAttachments pushes a service and reads back its modules and its provenance.
func TestAttachments(t *testing.T) {
	server := &counting{}
	host := server.start(t)
	built := build(t, services, "amd64")
	reference := host + "/project/images/echo@" + built.Digest
	if _, err := built.Push(t.Context(), reference, "token"); err != nil {
		t.Fatal(err)
	}
	if err := built.Describe(t.Context(), reference, "token"); err != nil {
		t.Fatal(err)
	}
	found := attached(t, reference)

	var bom cdx.BOM
	if err := json.Unmarshal(found[string(bomType)], &bom); err != nil {
		t.Fatalf("reading the list of modules: %v", err)
	}
	has := func(url string) bool {
		return slices.ContainsFunc(*bom.Components, func(c cdx.Component) bool { return strings.HasPrefix(c.PackageURL, url) })
	}
	for _, url := range []string{"pkg:golang/std@1.", "pkg:golang/google.golang.org/grpc@v1.", "pkg:golang/example.com/grpc-edge/services/chassis"} {
		if !has(url) {
			t.Errorf("the modules lack %s", url)
		}
	}
	if has("pkg:golang/github.com/google/go-cmp") {
		t.Error("the modules have one that only tests need")
	}

	var from statement
	if err := json.Unmarshal(found[string(provenanceType)], &from); err != nil {
		t.Fatalf("reading the provenance: %v", err)
	}
	if got := "sha256:" + from.Subject[0].Digest["sha256"]; got != built.Digest {
		t.Errorf("the provenance is of %s, want %s", got, built.Digest)
	}
	definition := from.Predicate.BuildDefinition
	if definition.ExternalParameters["folder"] != "services/echo" || len(definition.ResolvedDependencies) != 1 || len(definition.ResolvedDependencies[0].Digest["gitCommit"]) != 40 {
		t.Errorf("the provenance says %+v, want the folder and the commit", definition)
	}
}

// TestAttachmentsAreSentOnce counts the requests for an image that is already there, and
// repairs one whose attachments were not all sent.
func TestAttachmentsAreSentOnce(t *testing.T) {
	server := &counting{}
	host := server.start(t)
	built := build(t, services, "amd64")
	reference := host + "/project/images/echo@" + built.Digest
	push := func(b *Built) (sent bool) {
		t.Helper()
		server.requests = map[string]int{}
		sent, err := b.Push(t.Context(), reference, "token")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Describe(t.Context(), reference, "token"); err != nil {
			t.Fatal(err)
		}
		return sent
	}
	if _, err := built.Push(t.Context(), reference, "token"); err != nil {
		t.Fatal(err)
	}
	attachments, err := attach(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := describe(t.Context(), reference, "token", attachments[:1]); err != nil {
		t.Fatal(err)
	}
	if push(built); server.requests["write manifest"] != 1 {
		t.Errorf("%d manifests were written, want the missing one", server.requests["write manifest"])
	}
	if sent := push(build(t, services, "amd64")); sent || server.requests["look for manifest"] != 2 || len(server.requests) != 1 {
		t.Errorf("sent = %t, requests = %v, want two looks: for the image, and for its modules", sent, server.requests)
	}
	if got := len(attached(t, reference)); got != 2 {
		t.Errorf("%d artifacts are attached, want 2", got)
	}
}

// TestDescribeNeedsReferrers checks that Describe fails for a registry without
// referrers, instead of moving a tag.
func TestDescribeNeedsReferrers(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	built := build(t, services, "amd64")
	reference := strings.TrimPrefix(server.URL, "http://") + "/project/images/echo@" + built.Digest
	if _, err := built.Push(t.Context(), reference, "token"); err != nil {
		t.Fatal(err)
	}
	if err := built.Describe(t.Context(), reference, "token"); err == nil || !strings.Contains(err.Error(), "does not support the Referrers API") {
		t.Errorf("got %v, want what the registry lacks", err)
	}
}
