// Package stackfile reads and edits Pulumi.<stack>.yaml, which holds the settings of a stack
// (Pulumi, "Stack settings file"). Everything that needs these files reads them here.
package stackfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// Config is the section with the keys that the program reads. The others are Pulumi's.
const Config = "config"

// File holds the content of a stack's file.
type File struct {
	Stack, Path string
	// Content is the text of the file as it was read.
	Content []byte

	root *yaml.Node // a mapping
}

// Name returns the name of a stack's file.
func Name(stack string) string { return "Pulumi." + stack + ".yaml" }

// Name returns the name of the file, without its folder.
func (f *File) Name() string { return Name(f.Stack) }

// Stacks lists the stacks that have a file in the folder, sorted.
func Stacks(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, Name("*")))
	if err != nil {
		return nil, fmt.Errorf("listing the files of stacks: %w", err)
	}
	for i, file := range files {
		files[i], _ = Stack(filepath.Base(file))
	}
	return files, nil
}

// Stack returns the stack whose file has that name, and whether it is the name of one.
func Stack(name string) (stack string, ok bool) {
	stack, ok = strings.CutPrefix(name, "Pulumi.")
	if !ok || strings.Contains(stack, "/") {
		return "", false
	}
	return strings.CutSuffix(stack, ".yaml")
}

// Read reads the file of a stack in the folder. If there is none, the error wraps
// [fs.ErrNotExist] and lists the stacks that have one.
func Read(dir, stack string) (*File, error) {
	f := &File{Stack: stack, Path: filepath.Join(dir, Name(stack))}
	var err error
	f.Content, err = os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		there, err := Stacks(dir)
		if err != nil {
			return nil, err
		}
		return nil, missing{stack, there}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the file of the stack: %w", err)
	}
	return f, f.parse()
}

// missing is the error for a stack without a file.
type missing struct {
	stack string
	there []string
}

func (m missing) Error() string {
	there := cmp.Or(strings.Join(m.there, ", "), "none")
	return fmt.Sprintf("the stack %s has no file %s: copy that of another and edit it, or pass STACK=; there are: %s", m.stack, Name(m.stack), there)
}

func (missing) Unwrap() error { return fs.ErrNotExist }

func (f *File) parse() error {
	var err error
	if f.root, err = parse(f.Content); err != nil {
		return fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	return nil
}

// parse returns the mapping of a document, which is empty for an empty one. It decodes what
// is decoded again later, so that only parse returns errors. Times stay the text that they
// are to Pulumi.
func parse(content []byte) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}, nil
	}
	root := document.Content[0]
	timesAsText(root)
	var sections struct {
		Config map[string]any `yaml:"config"`
	}
	return root, errors.Join(root.Decode(&map[string]any{}), root.Decode(&sections))
}

// Settings returns all of the file: the config and what Pulumi keeps beside it.
func (f *File) Settings() map[string]any { return decode(f.root) }

// Config returns the keys that the file sets, with their prefixes, and their values.
func (f *File) Config() map[string]any {
	_, config := find(f.root, Config)
	return decode(config)
}

// Key is a key of the config and its value in YAML.
type Key struct {
	Name  string
	Value *yaml.Node
}

// Keys returns the keys of the config in the order of the file.
func (f *File) Keys() []Key {
	var keys []Key
	if _, config := find(f.root, Config); config != nil {
		for i := 0; i+1 < len(config.Content); i += 2 {
			keys = append(keys, Key{config.Content[i].Value, config.Content[i+1]})
		}
	}
	return keys
}

// Value returns the text of a key in the config, or "" if there is none.
func (f *File) Value(key string) string { return text(f.Config()[key]) }

// Setting returns the text of a key beside the config, or "" if there is none.
func (f *File) Setting(key string) string { return text(f.Settings()[key]) }

func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// decode returns the values of a mapping; an empty map for anything else.
func decode(mapping *yaml.Node) map[string]any {
	values := map[string]any{}
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return values
	}
	if err := mapping.Decode(&values); err != nil {
		panic(fmt.Sprintf("decoding what was decoded before: %v", err))
	}
	return values
}

func timesAsText(node *yaml.Node) {
	if node.Tag == "!!timestamp" {
		node.Tag = "!!str"
	}
	for _, part := range node.Content {
		timesAsText(part)
	}
}

// find returns a key of a mapping and its value, or nothing.
func find(mapping *yaml.Node, key string) (name, value *yaml.Node) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}
