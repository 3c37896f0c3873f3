// Package image builds a container image from the source of a service, and pushes it to a
// registry, without a container engine.
//
// The same source gives the same bytes on every machine that has the same Go release. So a
// preview shows the exact digest, and a change that alters no program rolls no pods. The
// program therefore has no C compiler's output, no paths, no version control data and no
// build ID. The image has no times, names or random order.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"example.com/grpc-edge/internal/subprocess"
)

// User is the user ID that the program runs as: the customary number for nonroot.
const User = 65532

// passwd gives the user a name, for libraries that ask for it.
var passwd = fmt.Sprintf("nonroot:x:%d:%d:nonroot:/:/sbin/nologin\n", User, User)

// Source is a program to be built into an image.
type Source struct {
	// Dir is the folder of a Go module with package main at its root.
	Dir string
	// Name is the file name of the program in the image, under /app.
	Name string
	// Architecture is a GOARCH.
	Architecture string
}

// Built is an image that was built but not pushed.
type Built struct {
	v1.Image
	// Name is the name of its source.
	Name string
	// Digest is the digest of the manifest, with sha256:.
	Digest  string
	source  Source
	modules *debug.BuildInfo // what the program was linked from
}

// BuildAll builds every source and returns the images by name, or all errors. It takes an
// image from the folder dir if its source has not changed since its last build. It builds
// the first source alone: that compiles the packages that the others share, which each
// would otherwise compile for itself. The other builds are mostly linking, which uses one
// CPU, so one runs at a time for each CPU.
func BuildAll(ctx context.Context, dir string, sources []Source) (map[string]*Built, error) {
	store := store{dir}
	built, errs := make([]*Built, len(sources)), make([]error, len(sources))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, source := range sources {
		if i == 0 {
			built[i], errs[i] = store.build(ctx, source)
			continue
		}
		group.Go(func() error {
			built[i], errs[i] = store.build(ctx, source)
			return nil // the other sources are built all the same
		})
	}
	_ = group.Wait() // their errors are in errs
	images := map[string]*Built{}
	for i, source := range sources {
		images[source.Name] = built[i]
	}
	return images, errors.Join(errs...)
}

// Build compiles the source and packs it into an image. It writes only to a temporary
// folder and Go's caches.
func Build(ctx context.Context, source Source) (*Built, error) {
	program, err := compile(ctx, source)
	if err != nil {
		return nil, err
	}
	image, err := pack(source, program)
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", source.Name, err)
	}
	modules, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("reading the modules of %s: %w", source.Name, err)
	}
	return newBuilt(source, image, modules)
}

func newBuilt(source Source, image v1.Image, modules *debug.BuildInfo) (*Built, error) {
	digest, err := image.Digest()
	if err != nil {
		return nil, fmt.Errorf("computing the digest of %s: %w", source.Name, err)
	}
	return &Built{Image: image, Name: source.Name, Digest: digest.String(), source: source, modules: modules}, nil
}

func compile(ctx context.Context, source Source) ([]byte, error) {
	dir, err := os.MkdirTemp("", "grpc-edge-build-")
	if err != nil {
		return nil, fmt.Errorf("creating a folder for the program %s: %w", source.Name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system cleans up what remains
	output := filepath.Join(dir, source.Name)
	build := exec.CommandContext(ctx, "go", "build",
		"-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", output, ".")
	build.Dir = source.Dir
	build.Env = buildEnv(os.Environ(), source.Architecture)
	if _, err := subprocess.Output(build); err != nil {
		return nil, fmt.Errorf("building %s in %s: %w", source.Name, source.Dir, err)
	}
	program, err := os.ReadFile(output)
	if err != nil {
		return nil, fmt.Errorf("reading the program %s: %w", source.Name, err)
	}
	return program, nil
}

// buildEnv returns the environment with all settings fixed that could differ between
// machines. It turns the workspace off. With it, this program's dependencies would change the
// versions of a service's dependencies, and an update of Pulumi would roll every service.
func buildEnv(environ []string, architecture string) []string {
	return append(environ,
		"GOOS=linux", "GOARCH="+architecture, "GOAMD64=v1", "GOARM64=v8.0",
		"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off")
}

func pack(source Source, program []byte) (v1.Image, error) {
	files, err := archive(source.Name, program)
	if err != nil {
		return nil, err
	}
	layer, err := compressed(files)
	if err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, fmt.Errorf("adding the layer: %w", err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", source.Architecture
	file.Config = v1.Config{
		Entrypoint: []string{"/app/" + source.Name},
		User:       fmt.Sprintf("%d:%d", User, User),
		WorkingDir: "/",
	}
	return mutate.ConfigFile(image, file)
}

// compressed returns the layer of an archive. It keeps only the compressed bytes in memory,
// not the archive, as there is one for each service.
func compressed(files []byte) (v1.Layer, error) {
	layer, err := tarball.LayerFromOpener(opener(files), tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	stream, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }() // it is read from memory
	content, err := io.ReadAll(stream)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(opener(content), tarball.WithMediaType(types.OCILayer))
}

func opener(content []byte) tarball.Opener {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

// archive returns the whole file system as a tar archive. All times are zero, which is
// 1970.
func archive(name string, program []byte) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, file := range []struct {
		path    string
		mode    int64
		content []byte
	}{
		{"app/", 0o755, nil},
		{"app/" + name, 0o755, program},
		{"etc/", 0o755, nil},
		{"etc/passwd", 0o644, []byte(passwd)},
	} {
		header := &tar.Header{Name: file.path, Mode: file.mode, Size: int64(len(file.content)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(file.path, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("adding %s: %w", file.path, err)
		}
		if _, err := writer.Write(file.content); err != nil {
			return nil, fmt.Errorf("adding %s: %w", file.path, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("ending the archive: %w", err)
	}
	return buffer.Bytes(), nil
}
