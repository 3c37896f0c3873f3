package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"gopkg.in/yaml.v3"

	"example.com/grpc-edge/services/catalog"
)

// modules is the path of the modules of services.
const modules = "example.com/grpc-edge/services/"

// addCall makes a service call another: it names it in `calls`, and where both are in Go it
// requires the module with the generated client. Images are built outside the workspace.
func addCall(root, name, callee string, out io.Writer) error {
	for _, n := range []string{name, callee} {
		if err := exists(root, n); err != nil {
			return err
		}
	}
	if name == callee {
		return fmt.Errorf("%s cannot call itself", name)
	}
	spec, err := withCall(filepath.Join(folder(root, name), catalog.SpecFile), callee)
	if err != nil {
		return err
	}
	var packages []string
	if isModule(root, name) && isModule(root, callee) {
		if packages, err = clients(root, callee); err != nil {
			return err
		}
		if err := require(filepath.Join(folder(root, name), "go.mod"), callee); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(folder(root, name), catalog.SpecFile), spec, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "services/%s/%s names %s in calls: its pods may call it, at the address in %s.\n", name, catalog.SpecFile, callee, catalog.TargetVariable(callee))
	if len(packages) > 0 {
		fmt.Fprintf(out, "services/%s/go.mod requires its module. Import its client:\n\n  %s\n\nand connect with chassis.Dial(%q).\n", name, strings.Join(packages, "\n  "), callee)
	}
	return nil
}

// withCall returns the content of a service.yaml with the callee in `calls`, and the rest as it
// is.
func withCall(file, callee string) ([]byte, error) {
	content, calls, err := readCalls(file)
	if err != nil {
		return nil, err
	}
	if calls == nil {
		text := strings.TrimRight(string(content), "\n") + "\n"
		return []byte(strings.TrimLeft(text+"calls: ["+callee+"]\n", "\n")), nil
	}
	if slices.ContainsFunc(calls.Content, func(n *yaml.Node) bool { return n.Value == callee }) {
		return content, nil
	}
	line, column, added := calls.Line, calls.Column+1, callee // after the bracket of []
	if calls.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%s:%d: calls must be a list, such as [%s]", file, calls.Line, callee)
	}
	if len(calls.Content) > 0 {
		first := calls.Content[0]
		line, column, added = first.Line, first.Column, callee+", "
		if calls.Style&yaml.FlowStyle == 0 {
			added = callee + "\n" + strings.Repeat(" ", calls.Column-1) + "- "
		}
	}
	lines := strings.SplitAfter(string(content), "\n")
	lines[line-1] = lines[line-1][:column-1] + added + lines[line-1][column-1:]
	return []byte(strings.Join(lines, "")), nil
}

// readCalls returns the content of a service.yaml and the value of `calls` in it; nil for none.
func readCalls(file string) (content []byte, calls *yaml.Node, err error) {
	content, err = os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return content, valueOf(&document, "calls"), nil
}

// valueOf returns the value of a key of the object that a document is; nil for none.
func valueOf(document *yaml.Node, key string) *yaml.Node {
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil
	}
	pairs := document.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i].Value == key {
			return pairs[i+1]
		}
	}
	return nil
}

// require adds the module of a service to those that a go.mod requires, by its folder.
func require(file, service string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	mod, err := modfile.Parse(file, content, nil)
	if err != nil {
		return err
	}
	required := module.Version{Path: modules + service, Version: "v0.0.0"}
	if !slices.ContainsFunc(mod.Require, func(r *modfile.Require) bool { return r.Mod.Path == required.Path }) {
		mod.SetRequireSeparateIndirect(append(mod.Require, &modfile.Require{Mod: required}))
	}
	if err := mod.AddReplace(required.Path, "", "../"+service, ""); err != nil {
		return err
	}
	mod.Cleanup()
	mod.SortBlocks()
	changed, err := mod.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(file, changed, 0o644)
}

// clients returns the import paths of a service's packages with generated clients, sorted.
func clients(root, name string) ([]string, error) {
	var packages []string
	err := fs.WalkDir(os.DirFS(folder(root, name)), ".", func(p string, _ fs.DirEntry, err error) error {
		if imported := modules + path.Join(name, path.Dir(p)); err == nil && strings.HasSuffix(p, "_grpc.pb.go") && !slices.Contains(packages, imported) {
			packages = append(packages, imported)
		}
		return err
	})
	return packages, err
}
