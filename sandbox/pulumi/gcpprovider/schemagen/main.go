// Command schemagen writes schema.json, the properties of the resource types the
// provider stand-in serves, from the source of Pulumi's own SDK. So the stand-in
// accepts exactly what a program can compile with. It reads the source without
// compiling it, which would take minutes.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

func main() {
	sdk := flag.String("sdk", "", "folder of the module github.com/pulumi/pulumi-gcp/sdk/v9")
	out := flag.String("out", "schema.json", "file to write")
	flag.Parse()
	if err := run(*sdk, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}

type schema struct {
	Resources map[string]resource          `json:"resources"`
	Types     map[string]map[string]string `json:"types"`
}

type resource struct {
	// Inputs are Go types by property; pointers, slices and maps are optional.
	Inputs map[string]string `json:"inputs"`
	// Computed inputs have a value even if the program gives none.
	Computed []string `json:"computed"`
	// Outputs are the properties that are no inputs.
	Outputs []string `json:"outputs"`
}

func run(sdk, out string, tokens []string) error {
	s := schema{map[string]resource{}, map[string]map[string]string{}}
	for _, t := range tokens {
		module, name, ok := strings.Cut(strings.TrimPrefix(t, "gcp:"), ":")
		if !ok {
			return fmt.Errorf("%q is no type token such as gcp:compute/network:Network", t)
		}
		pkg := filepath.Dir(module)
		structs, err := parse(filepath.Join(sdk, "go", "gcp", pkg))
		if err != nil {
			return err
		}
		s.add(t, pkg, name, structs)
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o644)
}

// fields maps the properties of a struct to their types, without package names.
type fields map[string]string

func (s *schema) add(t, pkg, name string, structs map[string]fields) {
	args, outputs := structs[unexported(name)+"Args"], structs[name]
	r := resource{Inputs: map[string]string{}}
	for property, output := range outputs {
		input, isInput := args[property]
		switch {
		case !isInput:
			r.Outputs = append(r.Outputs, property)
		case strings.HasPrefix(input, "*") && !strings.HasSuffix(output, "PtrOutput"):
			r.Computed = append(r.Computed, property)
		}
	}
	for property, input := range args {
		r.Inputs[property] = s.qualify(input, pkg, structs)
	}
	sortAll(&r)
	s.Resources[t] = r
}

// qualify puts the package before the name of an object type and adds the type.
func (s *schema) qualify(t, pkg string, structs map[string]fields) string {
	base := t[strings.LastIndexAny(t, "*]")+1:]
	properties, ok := structs[base]
	if !ok {
		return t
	}
	full := pkg + "." + base
	if _, done := s.Types[full]; !done {
		s.Types[full] = map[string]string{}
		for property, nested := range properties {
			s.Types[full][property] = s.qualify(nested, pkg, structs)
		}
	}
	return strings.TrimSuffix(t, base) + full
}

func parse(dir string) (map[string]fields, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no Go files in %s: -sdk must name the SDK's folder", dir)
	}
	found := map[string]fields{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok {
					found[spec.Name.Name] = structFields(s)
				}
			}
			return true
		})
	}
	return found, nil
}

func structFields(s *ast.StructType) fields {
	found := fields{}
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		if name, ok := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Lookup("pulumi"); ok {
			found[name] = strings.TrimPrefix(types.ExprString(f.Type), "pulumi.")
		}
	}
	return found
}

func sortAll(r *resource) {
	slices.Sort(r.Computed)
	slices.Sort(r.Outputs)
}

// unexported lowers the leading capitals, as the SDK does: IAMMember is iammember.
func unexported(name string) string {
	rest := strings.TrimLeft(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return strings.ToLower(name[:len(name)-len(rest)]) + rest
}
