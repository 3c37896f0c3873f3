package tools

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"example.com/grpc-edge/internal/subprocess"
)

// Program is the name of the work to compile the Pulumi program, which is not a tool.
const Program = "the Pulumi program"

// largestPackage is the memory that the compiler takes for the largest package of the program's
// SDKs, in bytes (docs/benchmark-stack.md, "Compiling the program", one package at a time).
// otherPackage is the memory that it takes for each other large package at the same time.
const (
	largestPackage = 8 << 30
	otherPackage   = 9 << 29
)

// CompileProgram compiles the packages of the Pulumi program and of its policy pack, so that
// Pulumi's own build of them only has to link. That takes minutes the first time. It compiles
// as many packages at once as fit into memory, in bytes. It does nothing while Go's cache has
// all packages of other modules in the same versions. The repository's own packages take a moment.
func (t Tools) CompileProgram(ctx context.Context, memory uint64) error {
	versions, err := t.versions(ctx)
	if err != nil {
		return err
	}
	if t.compiled(versions) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-buildvcs=false", "-p", strconv.Itoa(atOnce(runtime.NumCPU(), memory)),
		"-export", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{$.Export}}{{end}}{{end}}", "./infra", "./policy")
	cmd.Dir = t.Root
	files, err := subprocess.Output(cmd)
	if err != nil {
		return fmt.Errorf("compiling infra and policy: %w", err)
	}
	return t.done(Program, versions+"\n"+files)
}

// compiled reports whether the stamp is of these versions, and every file of Go's cache that it lists is
// there. Go removes what was not used for days.
func (t Tools) compiled(versions string) bool {
	stamp, err := os.ReadFile(t.stampFile(Program))
	if err != nil {
		return false
	}
	of, files, _ := strings.Cut(string(stamp), "\n")
	return of == versions && !slices.ContainsFunc(strings.Split(files, "\n"), func(file string) bool {
		_, err := os.Stat(file)
		return file != "" && err != nil
	})
}

// versions hashes what the compiled packages depend on. These are Go with its settings, and the modules
// that infra and policy require, in the versions that the workspace selects. The go.mod of each module
// names all modules that it needs (Go Modules Reference, "Module graph pruning"), and the workspace
// selects the highest version.
func (t Tools) versions(ctx context.Context) (string, error) {
	settings, err := subprocess.Output(exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOCACHE", "GOFLAGS", "GOEXPERIMENT", "GOAMD64", "CGO_ENABLED"))
	if err != nil {
		return "", err
	}
	content, err := os.ReadFile(filepath.Join(t.Root, "go.work"))
	if err != nil {
		return "", fmt.Errorf("finding the Pulumi program: %w: is this a whole checkout?", err)
	}
	workspace, err := modfile.ParseWork("go.work", content, nil)
	if err != nil {
		return "", err
	}
	selected, needed := map[string]string{}, map[string]bool{}
	for _, use := range workspace.Use {
		file := filepath.Join(t.Root, use.Path, "go.mod")
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		module, err := modfile.ParseLax(file, content, nil)
		if err != nil {
			return "", err
		}
		for _, require := range module.Require {
			m := require.Mod
			if name := filepath.Base(use.Path); name == "infra" || name == "policy" {
				needed[m.Path] = true
			}
			// The modules of the repository have no versions.
			if m.Version != "v0.0.0" && semver.Compare(m.Version, selected[m.Path]) > 0 {
				selected[m.Path] = m.Version
			}
		}
	}
	hash := sha256.New()
	hash.Write([]byte(settings))
	for _, path := range slices.Sorted(maps.Keys(needed)) {
		fmt.Fprintln(hash, path, selected[path])
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

// atOnce returns how many packages of the Pulumi program can be compiled at once with so
// much memory.
func atOnce(cores int, memory uint64) int {
	return max(1, min(cores, 1+(int(memory)-largestPackage)/otherPackage))
}
