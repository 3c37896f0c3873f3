package image

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/sumdb/dirhash"

	"example.com/grpc-edge/internal/subprocess"
)

// store is a folder of images that were built before. It has a folder for each source, and
// in it an OCI image layout for each state of the image's inputs. Linking and compressing a
// program takes more than a second. A preview needs it for every service, most of which
// have not changed.
type store struct{ dir string }

// keptFor is the time for which an unused image is kept. It may belong to an earlier commit
// that someone goes back to, or to an update that still runs.
const keptFor = 24 * time.Hour

// modulesFile holds the modules that a program was linked from.
const modulesFile = "modules.json"

// build returns the stored image, or builds and stores it.
func (s store) build(ctx context.Context, source Source) (*Built, error) {
	key, err := key(ctx, source)
	if err != nil {
		return Build(ctx, source) // which returns a clearer error
	}
	folder := filepath.Join(s.dir, source.Name+"-"+source.Architecture)
	dir := filepath.Join(folder, key)
	if built, err := load(dir, source); err == nil {
		return built, nil
	}
	built, err := Build(ctx, source)
	if err != nil {
		return nil, err
	}
	if errors.Join(save(built, dir), forget(folder)) != nil {
		return built, nil // a read-only checkout has slower previews
	}
	return load(dir, source) // which reads its layer from a file, not from memory
}

func load(dir string, source Source) (*Built, error) {
	text, err := os.ReadFile(filepath.Join(dir, modulesFile))
	if err != nil {
		return nil, err
	}
	modules := &debug.BuildInfo{}
	if err := json.Unmarshal(text, modules); err != nil {
		return nil, err
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(list.Manifests) != 1 {
		return nil, fmt.Errorf("%s has %d images", dir, len(list.Manifests))
	}
	image, err := index.Image(list.Manifests[0].Digest)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return nil, err
	}
	return newBuilt(source, image, modules)
}

// save writes all files or none: another preview may save the same image at the same time.
func save(built *Built, dir string) error {
	folder := filepath.Dir(dir)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(folder, "new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temporary) }() // it was renamed if all went well
	path, err := layout.Write(temporary, empty.Index)
	if err != nil {
		return err
	}
	if err := path.AppendImage(built.Image); err != nil {
		return err
	}
	modules, err := json.Marshal(built.modules)
	if err != nil {
		return err
	}
	if err := path.WriteFile(modulesFile, modules, 0o644); err != nil {
		return err
	}
	// What is there is incomplete, or from another preview that was faster.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(temporary, dir)
}

// forget removes images that were not used for keptFor.
func forget(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > keptFor {
			if err := os.RemoveAll(filepath.Join(folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// how holds the source of this package, which decides how an image is built.
//
//go:embed *.go
var how embed.FS

// key returns a hash of everything that decides what is in an image: the files of its
// module and of the modules in this repository that it needs, the Go release, and the
// source of this package. The versions and hashes of all other modules are in the first
// module's go.mod and go.sum.
func key(ctx context.Context, source Source) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, source.Name, source.Architecture)
	if err := writeSelf(hash); err != nil {
		return "", err
	}
	// GOTOOLCHAIN decides which Go release a go.mod may select.
	ask := exec.CommandContext(ctx, "go", "env", "GOMOD", "GOVERSION", "GOTOOLCHAIN")
	ask.Dir, ask.Env = source.Dir, buildEnv(os.Environ(), source.Architecture)
	answer, err := subprocess.Output(ask)
	if err != nil {
		return "", err
	}
	module, release, _ := strings.Cut(answer, "\n")
	folders, err := folders(module)
	if err != nil {
		return "", err
	}
	dir, err := realPath(source.Dir)
	if err != nil {
		return "", err
	}
	within, err := filepath.Rel(folders[0], dir)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(hash, within, release)
	for _, folder := range folders {
		sum, err := dirhash.HashDir(folder, "", dirhash.Hash1)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, sum)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// writeSelf writes the source of this package and the versions of its dependencies.
func writeSelf(w io.Writer) error {
	self, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program does not say what it was linked from")
	}
	fmt.Fprintln(w, self.GoVersion)
	for _, m := range self.Deps {
		fmt.Fprintln(w, m.Path, m.Version, m.Sum)
	}
	return fs.WalkDir(how, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := how.ReadFile(path)
		fmt.Fprintln(w, path, len(text), string(text))
		return err
	})
}

// folders returns the folder of a go.mod first, and then the folders that it replaces
// modules with.
func folders(module string) ([]string, error) {
	text, err := os.ReadFile(module)
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse(module, text, nil)
	if err != nil {
		return nil, err
	}
	dirs := []string{filepath.Dir(module)}
	for _, replace := range file.Replace {
		if replace.New.Version == "" {
			dirs = append(dirs, filepath.Join(filepath.Dir(module), filepath.FromSlash(replace.New.Path)))
		}
	}
	for i, dir := range dirs {
		if dirs[i], err = realPath(dir); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// realPath returns the absolute path of a folder, without links.
func realPath(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(absolute)
}
