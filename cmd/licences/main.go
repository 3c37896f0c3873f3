// Command licences checks the licence of every module that is linked into a program of
// this repository:
//
//	licences FOLDER…
//
// It fails for a module whose licence is not in the list, or has none that is known.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"

	"example.com/grpc-edge/internal/subprocess"
)

// allowed lists licences, by their SPDX identifiers, that only require their notice to be
// included, and the MPL, which covers only its own files.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unicode-DFS-2016", "Unlicense", "CC0-1.0"}

// own is the prefix of the paths of this repository's modules.
const own = "example.com/grpc-edge/"

// enough is the share of a licence's file, in percent, that must be text of known licences
// (licensecheck, "Coverage"). With less the licence is unknown.
const enough = 75

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(folders []string) error {
	if len(folders) == 0 {
		return errors.New("usage: licences FOLDER…")
	}
	all := map[string]module{}
	for _, folder := range folders {
		modules, err := modulesOf(folder)
		if err != nil {
			return err
		}
		maps.Copy(all, modules)
	}
	counts := map[string]int{}
	var wrong []error
	for _, path := range slices.Sorted(maps.Keys(all)) {
		found, err := all[path].licences()
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", path, err))
			continue
		}
		counts[strings.Join(found, " and ")]++
	}
	for _, licence := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%4d modules  %s\n", counts[licence], licence)
	}
	if len(wrong) > 0 {
		return errors.Join(append(wrong, errors.New("take another module, or, if its licence is acceptable, add it to `allowed` in cmd/licences/main.go"))...)
	}
	return nil
}

// module describes a module in the output of `go list`.
type module struct{ Path, Version, Dir string }

// modulesOf returns the third-party modules whose packages are in the programs of a module's
// folder, without those that only its tests need.
func modulesOf(folder string) (map[string]module, error) {
	list := exec.Command("go", "list", "-deps", "-json=Module", "./...")
	list.Dir = folder
	list.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	out, err := subprocess.Output(list)
	if err != nil {
		return nil, fmt.Errorf("listing the modules of %s: %w", folder, err)
	}
	all := map[string]module{}
	for decoder := json.NewDecoder(strings.NewReader(out)); ; {
		var p struct {
			Module *struct {
				module
				Replace *module
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the modules of %s: %w", folder, err)
		}
		if p.Module != nil && !strings.HasPrefix(p.Module.Path, own) {
			all[p.Module.Path+"@"+p.Module.Version] = p.Module.module
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s lists no third-party modules: did `go list` fail?", folder)
	}
	return all, nil
}

// licenceFile matches the names of files with a licence. ofDocuments matches those of
// documents, such as LICENSE.docs.
var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.-].*)?$`)
	ofDocuments = regexp.MustCompile(`(?i)\.(docs|code-samples)$`)
)

// licences returns the licences in the files of a module. All must be allowed.
func (m module) licences() ([]string, error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || ofDocuments.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		coverage := licensecheck.Scan(text)
		if coverage.Percent < enough {
			return nil, fmt.Errorf("%s is no licence that is known: %.0f %% of it is", entry.Name(), coverage.Percent)
		}
		for _, match := range coverage.Match {
			found[match.ID] = true
		}
	}
	if len(found) == 0 {
		return nil, errors.New("has no licence")
	}
	names := slices.Sorted(maps.Keys(found))
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("has the licence %s, and allowed are %s", name, strings.Join(allowed, ", "))
		}
	}
	return names, nil
}
