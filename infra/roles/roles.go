// Package roles holds the custom roles for running Pulumi on a stack, in the files beside
// it. A test of the emulated cloud derives them from what the program creates.
package roles

import (
	"embed"
	"fmt"

	"gopkg.in/yaml.v3"
)

// Names of the roles, which are also the names of the files.
const (
	Preview = "preview"
	Deploy  = "deploy"
	Destroy = "destroy"
)

//go:embed *.yaml
var files embed.FS

// Role is the content of a file for `gcloud iam roles create --file`.
type Role struct {
	Title       string   `yaml:"title"`
	Description string   `yaml:"description"`
	Stage       string   `yaml:"stage"`
	Permissions []string `yaml:"includedPermissions"`
}

// Load returns the role with this name.
func Load(name string) (Role, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return Role{}, fmt.Errorf("there is no role %q: %w", name, err)
	}
	var role Role
	if err := yaml.Unmarshal(text, &role); err != nil {
		return Role{}, fmt.Errorf("reading the role %q: %w", name, err)
	}
	return role, nil
}
