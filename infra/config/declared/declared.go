// Package declared reads the defaults of the keys that Pulumi.yaml declares, as the
// Pulumi CLI hands them to a program. A program cannot tell a default from the same
// value in the file of a stack; with these it can tell any other value from it.
package declared

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// Defaults are the defaults by key, with the project's prefix, that Pulumi.yaml in a
// folder declares.
func Defaults(root string) (map[string]string, error) {
	var project struct {
		Config map[string]struct {
			Default any `yaml:"default"`
		} `yaml:"config"`
	}
	file := filepath.Join(root, "Pulumi.yaml")
	content, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(content, &project)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the keys that %s declares: %w", file, err)
	}
	defaults := map[string]string{}
	for key, declared := range project.Config {
		if defaults["grpc-edge:"+key], err = Text(declared.Default); err != nil {
			return nil, fmt.Errorf("reading the default of %s in %s: %w", key, file, err)
		}
	}
	return defaults, nil
}

// Text is how a value of a YAML file reaches a program: lists and objects as JSON,
// others as written.
func Text(value any) (string, error) {
	switch value.(type) {
	case []any, map[string]any:
		content, err := json.Marshal(value)
		return string(content), err
	}
	return fmt.Sprint(value), nil
}
