package preflight

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/cmd/delivery/environment"
	"example.com/grpc-edge/internal/selfsigned"
	"example.com/grpc-edge/internal/stackfile"
)

// Stack describes a stack to preview.
type Stack struct {
	Name string
	// Config holds its keys, with their prefix, and values. Secrets holds those that are set
	// encrypted.
	Config  map[string]any
	Secrets map[string]string
}

// placeholder stands for a certificate in infra/variants.yaml, and for its key.
const placeholder = "PROVIDED"

// program is the prefix of the program's keys.
const program = stackfile.Program + ":"

// Stacks returns the stacks of the repository, and those of infra/variants.yaml. Each of
// the latter is the sandbox's stack with other keys.
func Stacks(root string) ([]Stack, error) {
	environments, err := environment.Stacks(root)
	if err != nil {
		return nil, err
	}
	var stacks []Stack
	var sandbox map[string]any
	for _, e := range environments {
		stacks = append(stacks, Stack{Name: e.Stack, Config: e.Config})
		if e.Stack == "sandbox" {
			sandbox = e.Config
		}
	}
	variants := map[string]map[string]any{}
	if err := readYAML(filepath.Join(root, "infra", "variants.yaml"), &variants); err != nil {
		return nil, err
	}
	now := time.Now()
	certificate, private, err := selfsigned.New("grpc.example.com", now.Add(-time.Minute), now.Add(time.Hour))
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(variants)) {
		s := Stack{name, maps.Clone(sandbox), map[string]string{}}
		for key, value := range variants[name] {
			switch {
			case value != placeholder:
				s.Config[program+key] = value
			case key == "certificateKeyPem":
				s.Secrets[program+key] = private
			default:
				s.Config[program+key] = certificate
			}
		}
		stacks = append(stacks, s)
	}
	return stacks, nil
}

// readYAML reads a file of YAML. The error names the file.
func readYAML(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

// documentation lists ranges for documentation (RFC 5737), which the program refuses until a
// user replaces them. benchmark is a range that the program accepts (RFC 2544).
var documentation = []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"}

const benchmark = "198.18.0.0/24"

// file returns the content of the stack's file: its keys, and the settings
// that let the provider run without Google.
func (s Stack) file(google string) ([]byte, error) {
	config := maps.Clone(s.Config)
	if networks, _ := config[program+"authorizedNetworks"].([]any); len(networks) > 0 && slices.Contains(documentation, fmt.Sprint(networks[0])) {
		config[program+"authorizedNetworks"] = []any{benchmark}
	}
	maps.Copy(config, map[string]any{
		"gcp:skipRegionValidation":          true,
		"gcp:resourceManagerCustomEndpoint": google + "/resourcemanager/v1/",
		"gcp:cloudBillingCustomEndpoint":    google + "/billing/v1/",
		"gcp:kmsCustomEndpoint":             google + "/kms/v1/",
		"gcp:dnsCustomEndpoint":             google + "/dns/v1/",
	})
	return yaml.Marshal(map[string]any{"config": config})
}
