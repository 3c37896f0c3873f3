package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"unicode"

	"golang.org/x/mod/modfile"

	"example.com/grpc-edge/services/catalog"
)

// model is the service whose modules a new service starts with.
const model = "echo"

//go:embed templates
var templates embed.FS

// names holds the spellings of one name in each language.
type names struct {
	// Name is the name itself, such as my-shop.
	Name string
	// Snake is the name in protos (my_shop), Package the proto package (my_shop.v1) and
	// ProtoDir its folder (my_shop/v1), as buf's standard rules want them.
	Snake, Package, ProtoDir string
	// Service is the name of the gRPC service: MyShopService.
	Service string
	// GoPackage is the package of the generated code: myshopv1.
	GoPackage string
}

func namesOf(name string) names {
	n := names{Name: name, Snake: strings.ReplaceAll(name, "-", "_")}
	n.Package, n.ProtoDir = n.Snake+".v1", n.Snake+"/v1"
	n.GoPackage = strings.ReplaceAll(name, "-", "") + "v1"
	n.Service = camelCase(name) + "Service"
	return n
}

// camelCase returns the name with a capital at the beginning, after each hyphen and after
// each digit: protoc-gen-go changes letters after digits, so B2b would be B2B in Go only.
func camelCase(name string) string {
	var camel strings.Builder
	before := '-'
	for _, letter := range name {
		if !unicode.IsLetter(before) {
			letter = unicode.ToUpper(letter)
		}
		if letter != '-' {
			camel.WriteRune(letter)
		}
		before = letter
	}
	return camel.String()
}

// check returns an error if a new service cannot have the name.
func check(root, name string) error {
	if err := catalog.CheckName(name); err != nil {
		return err
	}
	if _, err := os.Lstat(folder(root, name)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the name %q is taken: services/%s is there already", name, name)
	}
	declared := regexp.MustCompile(`(?m)^package\s+` + regexp.QuoteMeta(namesOf(name).Package) + `\s*;`)
	return fs.WalkDir(os.DirFS(root), catalog.Dir, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(p) != ".proto" {
			return err
		}
		content, err := os.ReadFile(filepath.Join(root, p))
		if err == nil && declared.Match(content) {
			return fmt.Errorf("the name %q is taken: %s has its package, %s", name, p, namesOf(name).Package)
		}
		return err
	})
}

// write writes the service's folder and its line in go.work. undo may also be called
// after an error.
func write(root, name string) (undo func() error, err error) {
	undo = func() error { return nil }
	if err := check(root, name); err != nil {
		return undo, err
	}
	files, err := plan(root, name)
	if err != nil {
		return undo, err
	}
	before, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		return undo, err
	}
	undo = func() error {
		return errors.Join(os.RemoveAll(folder(root, name)), os.WriteFile(filepath.Join(root, "go.work"), before, 0o644))
	}
	for p, content := range files {
		file := filepath.Join(folder(root, name), p)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return undo, fmt.Errorf("creating the folder of %s: %w", file, err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return undo, fmt.Errorf("writing %s: %w", file, err)
		}
	}
	return undo, editWork(root, func(work *modfile.WorkFile) error { return work.AddUse("./services/"+name, "") })
}

// plan returns the files of a new service by their path in its folder.
func plan(root, name string) (map[string][]byte, error) {
	n := namesOf(name)
	files := map[string][]byte{}
	for _, p := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(folder(root, model), p))
		if err != nil {
			return nil, fmt.Errorf("reading what all services have in common: %w", err)
		}
		files[p] = bytes.Replace(content, []byte("services/"+model+"\n"), []byte("services/"+name+"\n"), 1)
	}
	for _, p := range []string{"main.go", "handlers.go", "main_test.go", "service.yaml", "service.proto"} {
		content, err := fill(p, n)
		if err != nil {
			return nil, err
		}
		if p == "service.proto" {
			p = n.ProtoDir + "/" + n.Snake + ".proto"
		}
		files[p] = content
	}
	return files, nil
}

func fill(p string, n names) ([]byte, error) {
	parsed, err := template.ParseFS(templates, "templates/"+p+".tmpl")
	if err != nil {
		return nil, fmt.Errorf("parsing the template of %s: %w", p, err)
	}
	var filled bytes.Buffer
	if err := parsed.Execute(&filled, n); err != nil {
		return nil, fmt.Errorf("filling the template of %s: %w", p, err)
	}
	if path.Ext(p) != ".go" {
		return filled.Bytes(), nil
	}
	formatted, err := format.Source(filled.Bytes())
	if err != nil {
		return nil, fmt.Errorf("formatting %s: %w", p, err)
	}
	return formatted, nil
}

// editWork changes the list of modules in go.work, and keeps it in order.
func editWork(root string, edit func(*modfile.WorkFile) error) error {
	file := filepath.Join(root, "go.work")
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	work, err := modfile.ParseWork(file, content, nil)
	if err != nil {
		return err
	}
	if err := edit(work); err != nil {
		return fmt.Errorf("changing the modules in %s: %w", file, err)
	}
	work.Cleanup()
	work.SortBlocks()
	return os.WriteFile(file, modfile.Format(work.Syntax), 0o644)
}
