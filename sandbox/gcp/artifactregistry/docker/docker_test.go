package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const repository = "projects/p/locations/us/repositories/r"
	for path, want := range map[string]target{
		"/v2/p/r/echo/manifests/v1":     {repository, "echo", "manifests", "v1"},
		"/v2/p/r/a/b/blobs/sha256:00":   {repository, "a/b", "blobs", "sha256:00"},
		"/v2/p/r/a/blobs/uploads/1":     {repository, "a", "blobs", "uploads/1"},
		"/v2/p/r/tags/manifests/v1":     {repository, "tags", "manifests", "v1"},
		"/v2/p/r/a/tags/list":           {repository, "a", "tags", "list"},
		"/v2/p/r/a/referrers/sha256:00": {repository, "a", "referrers", "sha256:00"},
		"/v2/_catalog":                  {},
		"/v2/p/r/manifests/v1":          {},
		"/v2/p/r/echo":                  {},
	} {
		got, ok := parse("us", path)
		if got != want || ok != (want != target{}) {
			t.Errorf("parse(%s) = %+v, %v, want %+v", path, got, ok, want)
		}
	}
}

func TestHostLocation(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"us-central1-docker.pkg.dev": "us-central1", "europe-docker.pkg.dev:443": "europe",
		"-docker.pkg.dev": "", "a.b-docker.pkg.dev": "", "gcr.io": "", "us-npm.pkg.dev": "",
	} {
		if got, ok := hostLocation(host); ok != (want != "") || ok && got != want {
			t.Errorf("hostLocation(%s) = %q, %v, want %q", host, got, ok, want)
		}
	}
}

func TestTransportStreams(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host)
		w.WriteHeader(http.StatusAccepted)
		<-release // the status arrives before the body
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	})
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://registry.invalid/v2/", strings.NewReader("layer"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport{handler}.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusAccepted || response.Header.Get("X-Host") != "registry.invalid" {
		t.Fatalf("RoundTrip = %+v, %v, want 202 from registry.invalid", response, err)
	}
	close(release)
	body, err := io.ReadAll(response.Body)
	if string(body) != "layer" || err != nil {
		t.Errorf("body = %q, %v, want layer", body, err)
	}
}

func TestTransportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		select {} // a handler that does not notice
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://registry.invalid/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (transport{handler}).RoundTrip(request); !errors.Is(err, context.Canceled) {
		t.Errorf("RoundTrip = %v, want cancelled", err)
	}
}
