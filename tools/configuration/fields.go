package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// field is one of an object, as Go's JSON decoder reads it.
type field struct{ name, kind string }

// source is what package config says about the objects that keys hold.
type source struct {
	files   []*ast.File
	structs map[string]*ast.StructType // by the name of their type
	texts   map[string]string          // constants of the package
	prefix  string
}

// readFields finds, for each key that holds objects, their fields. Pulumi's
// schema has no place for them; where package config reads a key with
// objects[T](reader, key), the JSON tags of T are what an object may have.
func readFields(folder, project string) (map[string][]field, error) {
	s := &source{structs: map[string]*ast.StructType{}, texts: map[string]string{}, prefix: project + ":"}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, fmt.Errorf("reading the fields of objects: %w", err)
			}
			s.files = append(s.files, file)
		}
	}
	s.each(s.declare)
	found := map[string][]field{}
	for _, file := range s.files {
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok {
				s.function(f, found)
			}
		}
	}
	return found, nil
}

func (s *source) each(visit func(ast.Node) bool) {
	for _, file := range s.files {
		ast.Inspect(file, visit)
	}
}

func (s *source) declare(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.FuncDecl:
		return false // what is declared in it is its own
	case *ast.TypeSpec:
		if t, ok := n.Type.(*ast.StructType); ok {
			s.structs[n.Name.Name] = t
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if i < len(n.Values) {
				if text, ok := s.text(n.Values[i]); ok {
					s.texts[name.Name] = text
				}
			}
		}
	}
	return true
}

// function notes the fields that it reads, by each key that it reads or is
// called with.
func (s *source) function(f *ast.FuncDecl, found map[string][]field) {
	ast.Inspect(f, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		index, ok := call.Fun.(*ast.IndexExpr)
		if !ok {
			return true
		}
		fields := s.fields(index.Index)
		if len(fields) == 0 {
			return true
		}
		keys := s.keys(call)
		if len(keys) == 0 {
			keys = s.callers(f.Name.Name)
		}
		for _, key := range keys {
			found[key] = fields
		}
		return true
	})
}

// callers are the keys that the function of this name is called with.
func (s *source) callers(name string) []string {
	var keys []string
	s.each(func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == name {
				keys = append(keys, s.keys(call)...)
			}
		}
		return true
	})
	return keys
}

// keys are those among the arguments of a call.
func (s *source) keys(call *ast.CallExpr) []string {
	var keys []string
	for _, argument := range call.Args {
		if text, ok := s.text(argument); ok {
			if key, ok := strings.CutPrefix(text, s.prefix); ok {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func (s *source) text(expression ast.Expr) (string, bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, e.Kind == token.STRING && err == nil
	case *ast.Ident:
		text, ok := s.texts[e.Name]
		return text, ok
	}
	return "", false
}

func (s *source) fields(expression ast.Expr) []field {
	object, ok := expression.(*ast.StructType)
	if name, isName := expression.(*ast.Ident); isName {
		object, ok = s.structs[name.Name]
	}
	if !ok {
		return nil
	}
	var fields []field
	for _, f := range object.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value)
		if name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ","); name != "" && name != "-" {
			fields = append(fields, field{name: name, kind: kind(f.Type)})
		}
	}
	return fields
}

// kind is the word of Pulumi's schema for a type of Go.
func kind(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.ArrayType:
		return "list of " + kind(e.Elt)
	case *ast.StarExpr:
		return kind(e.X)
	case *ast.Ident:
		switch {
		case e.Name == "bool":
			return "boolean"
		case strings.HasPrefix(e.Name, "int"), strings.HasPrefix(e.Name, "uint"):
			return "integer"
		case strings.HasPrefix(e.Name, "float"):
			return "number"
		case e.Name == "string":
			return "string"
		}
	}
	return "object"
}
