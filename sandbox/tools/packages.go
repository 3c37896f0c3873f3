package tools

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"example.com/grpc-edge/internal/subprocess"
)

// packages of the distribution that a node needs, with the libraries that a
// minimal system may lack. The distribution's archive key vouches for them.
var packages = []string{
	"containerd", "runc", "libseccomp2", "containernetworking-plugins",
	"iptables", "libip4tc2", "libip6tc2", "libxtables12", "libnftnl11", "libmnl0", "libnfnetlink0", "libnetfilter-conntrack3",
}

// libc is the package with the C library for Envoy's image: its binary is linked dynamically.
const libc = "libc6"

// pip is used only where python3 comes without it.
var pip = []string{"python3-pip", "python3-setuptools", "python3-wheel"}

// distutils lists the packages that pip also needs with a Python before 3.12, which split them off.
var distutils = []string{"python3-distutils", "python3-lib2to3"}

// Packages fetches and unpacks the distribution's packages.
func (t Tools) Packages(ctx context.Context, status func(string)) error {
	stamp, err := t.stamp("packages")
	if err != nil {
		return err
	}
	return t.once("packages", stamp, nil, func() error {
		if err := os.RemoveAll(filepath.Join(t.Cache, "packages")); err != nil {
			return err
		}
		if err := t.fetch(ctx, status, "node", append(packages, libc)...); err != nil {
			return err
		}
		return t.unpackAll(ctx)
	})
}

// fetch downloads packages into a folder, with its own package lists: the machine's are not touched.
func (t Tools) fetch(ctx context.Context, status func(string), folder string, names ...string) error {
	base := filepath.Join(t.Cache, "packages")
	into := filepath.Join(base, folder)
	for _, dir := range []string{"lists/partial", "archives/partial", folder} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			return err
		}
	}
	options := []string{
		"-o", "Dir::State::Lists=" + filepath.Join(base, "lists"), "-o", "Dir::Cache=" + base, "-o", "Dir::Cache::Archives=" + filepath.Join(base, "archives"),
		"-o", "APT::Sandbox::User=root", // the folder may be one that the user _apt can't enter
		"-o", "Acquire::Retries=3", "-q",
	}
	for _, args := range [][]string{append(options, "update"), append(append(options, "download"), names...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Dir = into
		if err := t.run(cmd, "packages", status); err != nil {
			return err
		}
	}
	return nil
}

func (t Tools) unpackAll(ctx context.Context) error {
	debs, err := filepath.Glob(filepath.Join(t.Cache, "packages", "node", "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		root := t.Debs()
		if strings.HasPrefix(filepath.Base(deb), libc+"_") {
			root = t.Libc()
		}
		if err := unpack(ctx, deb, root); err != nil {
			return err
		}
	}
	return t.alternatives()
}

func unpack(ctx context.Context, deb, root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	_, err := subprocess.Output(exec.CommandContext(ctx, "dpkg-deb", "-x", deb, root))
	return err
}

// alternatives creates the links that installing iptables would create.
func (t Tools) alternatives() error {
	dir := t.alternativesDir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	program, err := filepath.Rel(dir, filepath.Join(t.Debs(), "usr/sbin/xtables-nft-multi")) // so that the cache may move
	errs := []error{err}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, verb := range []string{"", "-save", "-restore"} {
			errs = append(errs, os.Symlink(program, filepath.Join(dir, family+verb)))
		}
	}
	return errors.Join(errs...)
}
