package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"example.com/grpc-edge/internal/stackfile"
)

// project holds the declarations of Pulumi.yaml, in its order.
type project struct {
	name   string
	groups []group
}

// group holds the keys below a comment such as "##@ Cluster".
type group struct {
	title string
	keys  []key
}

type key struct {
	name        string
	Type        string    `yaml:"type"`
	Default     yaml.Node `yaml:"default"`
	Description string    `yaml:"description"`
}

// stack holds the settings of Pulumi.NAME.yaml, in its order.
type stack struct {
	name   string
	keys   []string
	values map[string]*yaml.Node
}

// keys returns the keys of all groups.
func (p *project) keys() []key {
	var all []key
	for _, g := range p.groups {
		all = append(all, g.keys...)
	}
	return all
}

// full returns the name of a key in the file of a stack.
func (p *project) full(key string) string { return p.name + ":" + key }

func readProject(path string) (*project, error) {
	var file struct {
		Name   string    `yaml:"name"`
		Config yaml.Node `yaml:"config"`
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	p := &project{name: file.Name, groups: []group{{title: "Keys"}}}
	for i := 0; i+1 < len(file.Config.Content); i += 2 {
		name, value := file.Config.Content[i], file.Config.Content[i+1]
		if title := title(name.HeadComment); title != "" {
			p.groups = append(p.groups, group{title: title})
		}
		k := key{name: name.Value}
		if err := value.Decode(&k); err != nil {
			return nil, fmt.Errorf("reading key %s of %s: %w", name.Value, path, err)
		}
		last := &p.groups[len(p.groups)-1]
		last.keys = append(last.keys, k)
	}
	p.groups = slices.DeleteFunc(p.groups, func(g group) bool { return len(g.keys) == 0 })
	return p, nil
}

// title returns the title that a comment gives the keys below it. It returns "" if the
// comment is about one key.
func title(comment string) string {
	for line := range strings.SplitSeq(comment, "\n") {
		if title, ok := strings.CutPrefix(line, "##@ "); ok {
			return title
		}
	}
	return ""
}

func readStacks(root string) ([]stack, error) {
	names, err := stackfile.Stacks(root)
	if err != nil {
		return nil, err
	}
	var stacks []stack
	for _, name := range names {
		file, err := stackfile.Read(root, name)
		if err != nil {
			return nil, err
		}
		s := stack{name: name, values: map[string]*yaml.Node{}}
		for _, key := range file.Keys() {
			s.keys, s.values[key.Name] = append(s.keys, key.Name), key.Value
		}
		stacks = append(stacks, s)
	}
	return stacks, nil
}

// check reports everything that a reader would miss or be misled by.
func check(p *project, schemas map[string]schema, stacks []stack) error {
	var errs []error
	declared := map[string]bool{}
	for _, k := range p.keys() {
		declared[p.full(k.name)] = true
		if k.Type != "" {
			errs = append(errs, fmt.Errorf("key %s of Pulumi.yaml has a type; remove it, or Pulumi reports wrong values one at a time", k.name))
		}
		s, ok := schemas[p.full(k.name)]
		if !ok {
			errs = append(errs, fmt.Errorf("key %s of Pulumi.yaml is not in docs/stack.schema.json; read it in infra/config, then run `make configuration`", k.name))
		}
		if strings.TrimSpace(k.Description) == "" {
			errs = append(errs, fmt.Errorf("key %s of Pulumi.yaml has no description; say what it is for", k.name))
			continue
		}
		for _, f := range s.fields() {
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(f.name) + `\b`).MatchString(k.Description) {
				errs = append(errs, fmt.Errorf("key %s of Pulumi.yaml has the field %s, which its description does not name; say there what it is for", k.name, f.name))
			}
		}
	}
	for _, s := range stacks {
		for _, name := range s.keys {
			if strings.HasPrefix(name, p.full("")) && !declared[name] {
				errs = append(errs, fmt.Errorf("key %s of %s is not declared in Pulumi.yaml; correct its name, or declare it", name, stackfile.Name(s.name)))
			}
		}
	}
	return errors.Join(errs...)
}
