package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"example.com/grpc-edge/internal/subprocess"
)

// kubernetesProvider is the folder below tools/ of Pulumi's Kubernetes provider.
const kubernetesProvider = "pulumi-kubernetes"

// The modules of the provider and of the SDK that a program asks for it with.
const (
	providerModule = "github.com/pulumi/pulumi-kubernetes/provider/v4"
	sdkModule      = "github.com/pulumi/pulumi-kubernetes/sdk/v4"
)

// PulumiHome returns the folder of Pulumi's plugins and settings, its PULUMI_HOME.
func (t Tools) PulumiHome() string { return filepath.Join(t.Cache, "pulumi") }

// providerVersion returns the version of the SDK in infra/go.mod: Pulumi looks for a plugin of
// exactly the version that the program asks for.
func (t Tools) providerVersion() (string, error) {
	return required(filepath.Join(t.Root, "infra", "go.mod"), sdkModule)
}

// buildKubernetesProvider builds the provider and installs it as a plugin: Pulumi starts a
// process of it in each run.
func (t Tools) buildKubernetesProvider(ctx context.Context, status func(string)) error {
	version, err := t.providerVersion()
	if err != nil {
		return err
	}
	stamp, err := t.stamp(kubernetesProvider)
	if err != nil {
		return err
	}
	plugin := filepath.Join(t.PulumiHome(), "plugins", "resource-kubernetes-"+version)
	program := filepath.Join(plugin, "pulumi-resource-kubernetes")
	return t.once(kubernetesProvider, stamp, []string{program}, func() error {
		bare := strings.TrimPrefix(version, "v")
		if err := t.goBuild(ctx, kubernetesProvider, status,
			// Half of the time goes into the SDK's packages, and the provider uses little of them.
			// Without optimization they take less memory.
			"-gcflags", sdkModule+"/...=-N -l",
			"-ldflags", "-s -w -X "+providerModule+"/pkg/version.Version="+bare, "-o", program, "."); err != nil {
			return err
		}
		return t.writeSchema(ctx, plugin, bare)
	})
}

// writeSchema copies the files that the provider reads at its start from its module. The
// version goes into the schema as a release of the provider puts it there.
func (t Tools) writeSchema(ctx context.Context, plugin, version string) error {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", providerModule)
	list.Dir, list.Env = t.source(kubernetesProvider), append(os.Environ(), "GOWORK=off")
	out, err := subprocess.Output(list)
	if err != nil {
		return fmt.Errorf("finding the module %s: %w", providerModule, err)
	}
	sources := filepath.Join(strings.TrimSpace(out), "cmd", "pulumi-resource-kubernetes")
	for _, name := range []string{"schema.json", "terraform-mapping.json"} {
		content := map[string]json.RawMessage{}
		text, err := os.ReadFile(filepath.Join(sources, name))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &content); err != nil {
			return fmt.Errorf("reading the provider's %s: %w", name, err)
		}
		if name == "schema.json" {
			content["version"] = json.RawMessage(`"` + version + `"`)
		}
		if text, err = json.Marshal(content); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(plugin, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// required returns the version of a module that a go.mod requires.
func required(file, module string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	parsed, err := modfile.ParseLax(file, text, nil)
	if err != nil {
		return "", err
	}
	for _, r := range parsed.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", file, module)
}
