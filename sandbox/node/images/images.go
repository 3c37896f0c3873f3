// Package images serves the container images that the sandbox's nodes pull and
// that no reachable registry serves. These are Envoy's image, made from its release
// binary, as Docker Hub would serve it, and the images of a node's own system.
package images

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"example.com/grpc-edge/sandbox/tools"
)

// Envoy is the repository of Envoy's image on Docker Hub.
const Envoy = "envoyproxy/envoy"

// Images is a registry of the sandbox's own images.
type Images struct {
	// Handler serves them by the OCI distribution protocol, without credentials.
	Handler http.Handler
	// EnvoyDigest is the digest of Envoy's image: sha256:…. NextEnvoyDigest is the digest of
	// another version; empty if it was not fetched.
	EnvoyDigest, NextEnvoyDigest string
	// Sizes maps repositories to the compressed sizes of their images, in bytes.
	Sizes map[string]int64
}

// file describes one file of an image and the source of its content.
type file struct {
	path, source string
}

// Load builds the images, and reuses layers that dir holds from before.
func Load(t tools.Tools, dir string) (*Images, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	images := &Images{Handler: registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)), registry.Logger(log.New(io.Discard, "", 0))), Sizes: map[string]int64{}}
	server := httptest.NewServer(images.Handler)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	libc, err := libcFiles(t)
	if err != nil {
		return nil, err
	}
	for repository, files := range map[string][]file{
		Envoy:     append(libc, file{"usr/local/bin/envoy", t.Bin("envoy")}),
		"coredns": {{"coredns", t.Bin("coredns")}},
		"pause":   {{"pause", t.Bin("pause")}},
	} {
		image, err := build(files)
		if err != nil {
			return nil, fmt.Errorf("creating the image %s: %w", repository, err)
		}
		digest, err := push(image, host+"/"+repository+":latest")
		if err != nil {
			return nil, fmt.Errorf("storing the image %s: %w", repository, err)
		}
		if images.Sizes[repository], err = size(image); err != nil {
			return nil, err
		}
		if repository == Envoy {
			images.EnvoyDigest = digest.String()
		}
	}
	if _, err := os.Stat(t.Bin(tools.NextEnvoy)); err == nil {
		if images.NextEnvoyDigest, err = loadNextEnvoy(t, libc, host); err != nil {
			return nil, err
		}
	}
	return images, nil
}

func loadNextEnvoy(t tools.Tools, libc []file, host string) (digest string, err error) {
	image, err := build(append(libc, file{"usr/local/bin/envoy", t.Bin(tools.NextEnvoy)}))
	if err != nil {
		return "", fmt.Errorf("creating the image of the next Envoy: %w", err)
	}
	hash, err := push(image, host+"/"+Envoy+":next")
	if err != nil {
		return "", fmt.Errorf("storing the image of the next Envoy: %w", err)
	}
	return hash.String(), nil
}

func libcFiles(t tools.Tools) ([]file, error) {
	const lib = "lib/x86_64-linux-gnu"
	files := []file{}
	for _, name := range []string{"libc.so.6", "libm.so.6", "librt.so.1", "libdl.so.2", "libpthread.so.0", "ld-linux-x86-64.so.2"} {
		found, err := firstOf(filepath.Join(t.Libc(), lib, name), filepath.Join(t.Libc(), "usr", lib, name))
		if err != nil {
			return nil, err
		}
		files = append(files, file{lib + "/" + name, found})
	}
	// The path that the binary names as its interpreter.
	return append(files, file{"lib64/ld-linux-x86-64.so.2", files[len(files)-1].source}), nil
}

func firstOf(paths ...string) (string, error) {
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("looking for %s in the unpacked C library: it is not there; remove .cache/packages and run again", filepath.Base(paths[0]))
}

// build returns an image whose program is the last of files. Equal files give an equal image.
func build(files []file) (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return pack(files) })
	if err != nil {
		return nil, err
	}
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{User: "65532:65532", Entrypoint: []string{"/" + files[len(files)-1].path}},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(base, layer)
}

func pack(files []file) (io.ReadCloser, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range files {
		content, err := os.ReadFile(f.source)
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: f.path, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	return io.NopCloser(&archive), w.Close()
}

func push(image v1.Image, reference string) (v1.Hash, error) {
	tag, err := name.NewTag(reference, name.Insecure)
	if err != nil {
		return v1.Hash{}, err
	}
	if err := remote.Write(tag, image); err != nil {
		return v1.Hash{}, err
	}
	return image.Digest()
}

func size(image v1.Image) (int64, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return 0, err
	}
	total := manifest.Config.Size
	for _, layer := range manifest.Layers {
		total += layer.Size
	}
	return total, nil
}
