// Package foreign builds the image of a service that is not written in Go, without a
// container engine. The image has Python from the distribution's packages, grpcio from PyPI
// by hash, and the program in testdata/recommendation. The same packages give the same image.
package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"example.com/grpc-edge/internal/subprocess"
)

// Source is the folder of the program and its proto, relative to the repository's root.
const Source = "test/testdata/recommendation"

// These are the folders of the program and of the wheels in the image.
const (
	appDir   = "app"
	wheelDir = "usr/lib/wheels"
)

// libraries lists the packages that Python and the wheels need, in addition to Python's own.
var libraries = []string{"libc6", "libgcc-s1", "libstdc++6", "libexpat1", "zlib1g"}

// Build creates the image for x86-64 from the repository at root. It keeps its downloads in
// .cache/foreign there.
func Build(ctx context.Context, root string) (v1.Image, error) {
	cache := filepath.Join(root, ".cache", "foreign")
	version, err := pythonVersion(ctx, root)
	if err != nil {
		return nil, err
	}
	python, err := unpackPython(ctx, root, filepath.Join(cache, "python-"+version), version)
	if err != nil {
		return nil, fmt.Errorf("fetching Python %s: %w", version, err)
	}
	wheels, err := unpackWheels(ctx, root, filepath.Join(cache, "wheels-"+version), version)
	if err != nil {
		return nil, fmt.Errorf("fetching the wheels of %s: %w", Source, err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(base, &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: "65532:65532", WorkingDir: "/" + appDir,
			Entrypoint: []string{"/usr/bin/python" + version, "-u", "server.py"},
			Env: []string{
				"PATH=/usr/bin", "PYTHONPATH=/" + wheelDir,
				"PYTHONDONTWRITEBYTECODE=1", // the root is read-only
			},
		},
	})
	if err != nil {
		return nil, err
	}
	for _, from := range []struct{ dir, to string }{{python, ""}, {wheels, wheelDir}, {filepath.Join(root, Source), appDir}} {
		layer, err := newLayer(from.dir, from.to)
		if err != nil {
			return nil, fmt.Errorf("packing %s: %w", from.dir, err)
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, err
		}
	}
	return image, nil
}

// Push pushes the image to a registry and returns REPOSITORY@sha256:…. transport is for the
// calls of the registry, and nil for the default one. token is a Google access token, and
// empty for none.
func Push(ctx context.Context, image v1.Image, repository, token string, transport http.RoundTripper) (string, error) {
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	reference, err := name.NewDigest(repository + "@" + digest.String())
	if err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx)}
	if token != "" {
		options = append(options, remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: token}))
	}
	if transport != nil {
		options = append(options, remote.WithTransport(transport))
	}
	if err := remote.Write(reference, image, options...); err != nil {
		return "", fmt.Errorf("pushing %s: %w", reference, err)
	}
	return reference.String(), nil
}

// lists returns the options by which apt reads the package lists that `make tools` has
// fetched: a new machine has none of its own.
func lists(root string) []string {
	packages := filepath.Join(root, ".cache", "packages")
	return []string{"-o", "Dir::State::Lists=" + filepath.Join(packages, "lists"), "-o", "Dir::Cache=" + packages}
}

// pythonVersion returns the version of the distribution's Python, such as 3.11.
func pythonVersion(ctx context.Context, root string) (string, error) {
	text, err := subprocess.Output(exec.CommandContext(ctx, "apt-cache", append(lists(root), "depends", "python3-minimal")...))
	if err != nil {
		return "", fmt.Errorf("looking for the distribution's Python: %w", err)
	}
	match := regexp.MustCompile(`Depends: python(3\.\d+)-minimal`).FindStringSubmatch(text)
	if match == nil {
		return "", errors.New("looking for the distribution's Python: python3-minimal depends on no version of it; run `make tools`")
	}
	return match[1], nil
}

// once creates a folder with make if it does not exist. If make fails, nothing is kept.
func once(folder string, make func(temporary string) error) (string, error) {
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), "new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // the system cleans up what is left
	if err := make(temporary); err != nil {
		return "", err
	}
	return folder, os.Rename(temporary, folder)
}

func unpackPython(ctx context.Context, root, folder, version string) (string, error) {
	return once(folder, func(temporary string) error {
		names := append([]string{"python" + version + "-minimal", "libpython" + version + "-minimal", "libpython" + version + "-stdlib"}, libraries...)
		debs, err := os.MkdirTemp("", "debs-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(debs) }() // as above
		// Otherwise apt needs a folder that the user _apt can enter.
		if err := execute(ctx, debs, nil, "apt-get", slices.Concat(lists(root), []string{"-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download"}, names)...); err != nil {
			return err
		}
		found, err := filepath.Glob(filepath.Join(debs, "*.deb"))
		if err != nil {
			return err
		}
		for _, deb := range found {
			if err := execute(ctx, debs, nil, "dpkg-deb", "-x", deb, temporary); err != nil {
				return err
			}
		}
		for _, unused := range []string{"usr/share", "etc", "usr/lib/valgrind"} {
			if err := os.RemoveAll(filepath.Join(temporary, unused)); err != nil {
				return err
			}
		}
		return nil
	})
}

// unpackWheels unpacks the wheels of requirements.txt for a version of Python into a folder.
func unpackWheels(ctx context.Context, root, folder, version string) (string, error) {
	return once(folder, func(temporary string) error {
		// A Python without pip uses the pip from `make tools`.
		environment := append(os.Environ(), "PYTHONPATH="+filepath.Join(root, ".cache/packages/pip-root/usr/lib/python3/dist-packages"))
		return execute(ctx, filepath.Join(root, Source), environment, "python3", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "install", "-q",
			"--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes", "-r", "requirements.txt", "--target", temporary,
			"--python-version", version, "--implementation", "cp", "--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_17_x86_64")
	})
}

func execute(ctx context.Context, dir string, environment []string, program string, arguments ...string) error {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.Env = dir, environment
	_, err := subprocess.Output(command)
	return err
}
