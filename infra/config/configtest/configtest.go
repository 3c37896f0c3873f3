// Package configtest gives tests the configuration of a stack as the Pulumi CLI
// gives it to the program, so that what they check is what Pulumi.yaml says.
package configtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// Load reads the defaults of Pulumi.yaml in the folder, and over them the values
// of Pulumi.STACK.yaml. No stack means the defaults alone.
func Load(t testing.TB, root, stack string) map[string]string {
	t.Helper()
	var project struct {
		Config map[string]struct {
			Default any `yaml:"default"`
		} `yaml:"config"`
	}
	read(t, filepath.Join(root, "Pulumi.yaml"), &project)
	config := map[string]string{}
	for key, declared := range project.Config {
		config["grpc-edge:"+key] = text(t, declared.Default)
	}
	if stack == "" {
		return config
	}
	var values struct {
		Config map[string]any `yaml:"config"`
	}
	read(t, filepath.Join(root, "Pulumi."+stack+".yaml"), &values)
	for key, value := range values.Config {
		_, declared := config[key]
		if !declared && !strings.HasPrefix(key, "gcp:") {
			t.Errorf("Pulumi.%s.yaml sets %s, which Pulumi.yaml does not declare", stack, key)
		}
		config[key] = text(t, value)
	}
	return config
}

func read(t testing.TB, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(content, into)
	}
	if err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
}

// text is how a value reaches a program: lists and objects as JSON, others as
// written.
func text(t testing.TB, value any) string {
	t.Helper()
	switch value.(type) {
	case []any, map[string]any:
		content, err := json.Marshal(value)
		if err != nil {
			t.Fatalf("encoding %v: %v", value, err)
		}
		return string(content)
	}
	return fmt.Sprint(value)
}
