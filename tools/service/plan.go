package main

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// model is the service that the new one is like.
const model = "echo"

// copied are the files of the model that differ from service to service in its
// name alone, and listing those that have lines about each service.
var (
	copied  = []string{"go.mod", "go.sum", "main.go"}
	listing = []string{"go.work", "buf.yaml", "infra/go.mod", "infra/services.go"}
)

// templates are the files that differ in more.
//
//go:embed templates
var templates embed.FS

var templated = []string{"handlers.go", "main_test.go", "api/NAME.proto"}

// file is one to be written.
type file struct {
	path string // from the root of the repository, with slashes
	// folder is the new one that holds it; empty for a file that exists, as before.
	folder        string
	before, after []byte
}

// plan is all that a new service takes. It reads and writes nothing.
func plan(root, name string) ([]file, error) {
	folder := "services/" + name
	var files []file
	for _, p := range copied {
		content, err := os.ReadFile(filepath.Join(root, "services", model, p))
		if err != nil {
			return nil, fmt.Errorf("reading what all services have in common: %w", err)
		}
		files = append(files, file{path: path.Join(folder, p), folder: folder, after: []byte(renamed(string(content), name))})
	}
	for _, p := range templated {
		content, err := fill(p, name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{path: path.Join(folder, strings.ReplaceAll(p, "NAME", name)), folder: folder, after: content})
	}
	for _, p := range listing {
		content, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			return nil, fmt.Errorf("reading a list of services: %w", err)
		}
		longer, err := list(string(content), name)
		if err != nil {
			return nil, fmt.Errorf("adding the service to %s: %w", p, err)
		}
		files = append(files, file{path: p, before: content, after: []byte(longer)})
	}
	return files, gofmt(files)
}

// gofmt formats the Go files, and finds those that are none.
func gofmt(files []file) error {
	for i, f := range files {
		if path.Ext(f.path) != ".go" {
			continue
		}
		formatted, err := format.Source(f.after)
		if err != nil {
			return fmt.Errorf("formatting %s: %w", f.path, err)
		}
		files[i].after = formatted
	}
	return nil
}

func fill(p, name string) ([]byte, error) {
	parsed, err := template.ParseFS(templates, "templates/"+p+".tmpl")
	if err != nil {
		return nil, fmt.Errorf("parsing the template of %s: %w", p, err)
	}
	var filled bytes.Buffer
	if err := parsed.Execute(&filled, map[string]string{"Name": name, "Service": camel(name)}); err != nil {
		return nil, fmt.Errorf("filling the template of %s: %w", p, err)
	}
	return filled.Bytes(), nil
}

// camel is the name as a name of Go and of proto, which is that of the service.
func camel(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func renamed(text, name string) string {
	return strings.NewReplacer(model, name, camel(model), camel(name)).Replace(text)
}

var ofModel = regexp.MustCompile(`services/` + model + `\b`)

// list adds to each line about the model one about the service, in the order of
// the lines around it.
func list(content, name string) (string, error) {
	lines := strings.SplitAfter(content, "\n")
	found := false
	for i := len(lines) - 1; i >= 0; i-- { // from the end: what is added moves what follows
		if ofModel.MatchString(lines[i]) {
			found = true
			added := renamed(lines[i], name)
			lines = slices.Insert(lines, place(lines, i, added), added)
		}
	}
	if !found {
		return "", fmt.Errorf("no line is about services/%s, as the new one would be", model)
	}
	return strings.Join(lines, ""), nil
}

// place is where an added line belongs among those like lines[i] and next to it.
func place(lines []string, i int, added string) int {
	like := regexp.MustCompile("^" + strings.NewReplacer(model, "[a-z0-9]+").Replace(regexp.QuoteMeta(lines[i])) + "$")
	for i > 0 && like.MatchString(lines[i-1]) {
		i--
	}
	for i < len(lines) && like.MatchString(lines[i]) && lines[i] < added {
		i++
	}
	return i
}
