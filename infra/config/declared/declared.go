// Package declared reads the keys that Pulumi.yaml declares, and their defaults as the
// Pulumi CLI passes them to a program. A program cannot tell a default from the same value
// in the file of a stack. With these defaults it can detect any other value.
package declared

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"example.com/grpc-edge/internal/stackfile"
)

// Namespace is the prefix of the program's own keys: the name of the project in
// Pulumi.yaml.
const Namespace = stackfile.Program

// Key is the declaration of a key in Pulumi.yaml. It declares no type: see [Keys].
type Key struct {
	Default     any    `yaml:"default"`
	Description string `yaml:"description"`
	// Type must be empty. Pulumi checks the types that a project declares one key at a
	// time, before the program can report all wrong values together.
	Type string `yaml:"type"`
}

// Defaults returns the default of each key, with the project's prefix, that Pulumi.yaml in
// a folder declares.
func Defaults(root string) (map[string]string, error) {
	keys, err := Keys(root)
	if err != nil {
		return nil, err
	}
	defaults := map[string]string{}
	for name, key := range keys {
		if defaults[name], err = Text(key.Default); err != nil {
			return nil, fmt.Errorf("reading the default of %s in Pulumi.yaml: %w", name, err)
		}
	}
	return defaults, nil
}

// Keys returns the declaration of each key in Pulumi.yaml in a folder, by its name with the
// project's prefix. The type of a key follows from how package config reads it.
func Keys(root string) (map[string]Key, error) {
	var project struct {
		Config map[string]Key `yaml:"config"`
	}
	file := filepath.Join(root, "Pulumi.yaml")
	content, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(content, &project)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the keys that %s declares: %w", file, err)
	}
	keys := map[string]Key{}
	for name, key := range project.Config {
		keys[Namespace+":"+name] = key
	}
	return keys, nil
}

// Text returns a YAML value as Pulumi passes it to a program: lists and objects as JSON,
// other values as written.
func Text(value any) (string, error) {
	switch value.(type) {
	case []any, map[string]any:
		content, err := json.Marshal(value)
		return string(content), err
	}
	return fmt.Sprint(value), nil
}
