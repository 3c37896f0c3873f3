package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// nameRule is what is at once a DNS label (RFC 1123, section 2.1, and RFC 1035,
// section 2.3.4), which objects in Kubernetes are named by, and an identifier of
// Go and of proto.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9]{0,62}$`)

// reserved are names in the cluster that are no service's.
var reserved = map[string]string{"envoy": "the edge itself"}

// check says all that is against the name.
func check(root, name string) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("NAME=%q must be a letter and then letters and digits, all small, 63 at most: such as NAME=greeter", name)
	}
	if token.IsKeyword(name) || types.Universe.Lookup(name) != nil || name == "init" {
		return fmt.Errorf("NAME=%s means something in Go, where the service needs it: choose another", name)
	}
	if owner, ok := reserved[name]; ok {
		return fmt.Errorf("NAME=%s is %s: choose another", name, owner)
	}
	folder := filepath.Join(root, "services", name)
	if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("NAME=%s is taken: services/%s is there already", name, name)
	}
	return errors.Join(checkInfra(root, name), checkProtos(root, name))
}

// checkInfra looks for the name in the Go package that is to import the service
// by it.
func checkInfra(root, name string) error {
	paths, err := filepath.Glob(filepath.Join(root, "infra", "*.go"))
	if err != nil {
		return err
	}
	for _, p := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("reading the names that are taken in infra: %w", err)
		}
		if declares(file, name) || filepath.Base(p) == "services.go" && imports(file, name) {
			return fmt.Errorf("NAME=%s is taken: infra/%s, which would import the service by it, means something else by it",
				name, filepath.Base(p))
		}
	}
	return nil
}

// declares tells whether the package has the name from this file.
func declares(file *ast.File, name string) bool {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == name {
				return true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.Name == name {
						return true
					}
				case *ast.ValueSpec:
					for _, declared := range s.Names {
						if declared.Name == name {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// imports tells whether the file has an import by the name, given or by its path.
func imports(file *ast.File, name string) bool {
	return slices.ContainsFunc(file.Imports, func(spec *ast.ImportSpec) bool {
		if spec.Name != nil {
			return spec.Name.Name == name
		}
		return path.Base(strings.Trim(spec.Path.Value, `"`)) == name
	})
}

// checkProtos looks for what the new proto would declare, in those of all services.
func checkProtos(root, name string) error {
	paths, err := filepath.Glob(filepath.Join(root, "services", "*", "api", "*.proto"))
	if err != nil {
		return err
	}
	declared := regexp.MustCompile(fmt.Sprintf(
		`(?m)^(service|message|enum)\s+%s(Request|Response)?\s*\{|"/v1/%s"`, camel(name), name))
	for _, p := range paths {
		content, err := os.ReadFile(p)
		if err != nil {
			return fmt.Errorf("reading the names that are taken in protos: %w", err)
		}
		if found := declared.Find(content); found != nil {
			return fmt.Errorf("NAME=%s is taken: %s has %s", name, filepath.Base(p), found)
		}
	}
	return nil
}
