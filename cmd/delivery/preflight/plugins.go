package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/modfile"
)

// plugin describes a resource plugin of Pulumi.
type plugin struct{ Name, Version string }

// sdk matches the module path of a provider's SDK. The plugin has the SDK's version.
var sdk = regexp.MustCompile(`^github\.com/pulumi/pulumi-([a-z]+)/sdk/v\d+$`)

// required lists the plugins of the SDKs in infra/go.mod.
func required(root string) ([]plugin, error) {
	file := filepath.Join(root, "infra", "go.mod")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse(file, text, nil)
	if err != nil {
		return nil, err
	}
	var list []plugin
	for _, r := range mod.Require {
		if parts := sdk.FindStringSubmatch(r.Mod.Path); parts != nil {
			list = append(list, plugin{parts[1], strings.TrimPrefix(r.Mod.Version, "v")})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s names no SDK of a provider", file)
	}
	return list, nil
}

// install installs the missing plugins. Its error tells how to get those that it can't.
func install(ctx context.Context, plugins []plugin, out io.Writer) error {
	if _, err := exec.LookPath(command); err != nil {
		return fmt.Errorf("the Pulumi CLI is missing (%w), and so nothing was previewed or fetched. Where Pulumi's download site can be reached, "+
			"install the CLI (https://www.pulumi.com/docs/install/) and run this again: it fetches the plugins %s", err, list(plugins))
	}
	if err := exec.CommandContext(ctx, command, "plugin", "ls", "--json").Run(); err != nil {
		return fmt.Errorf("asking the Pulumi CLI for its plugins: %w", err)
	}
	var missing []string
	for _, p := range plugins {
		if has(ctx, p) {
			continue
		}
		fmt.Fprintf(out, "fetching the plugin %s %s\n", p.Name, p.Version)
		if text, err := exec.CommandContext(ctx, command, "plugin", "install", "resource", p.Name, p.Version).CombinedOutput(); err != nil {
			missing = append(missing, fmt.Sprintf("  pulumi plugin install resource %s %s\n    %v: %s", p.Name, p.Version, err, lastLine(string(text))))
		}
	}
	if _, err := exec.LookPath("pulumi-language-go"); err != nil {
		missing = append(missing, "  pulumi-language-go, which comes with the Pulumi CLI, on PATH")
	}
	if len(missing) > 0 {
		return errors.New("official plugins are missing, and so nothing was previewed. Get them where Pulumi's download site can be reached:\n" + strings.Join(missing, "\n"))
	}
	return nil
}

// list names the plugins with their versions.
func list(plugins []plugin) string {
	var names []string
	for _, p := range plugins {
		names = append(names, p.Name+" "+p.Version)
	}
	return strings.Join(names, ", ")
}

// has reports whether a plugin is installed.
func has(ctx context.Context, p plugin) bool {
	text, err := exec.CommandContext(ctx, command, "plugin", "ls", "--json").Output()
	if err != nil {
		return false
	}
	var installed []struct{ Name, Kind, Version string }
	if err := json.Unmarshal(text, &installed); err != nil {
		return false
	}
	for _, i := range installed {
		if i.Kind == "resource" && i.Name == p.Name && i.Version == p.Version {
			return true
		}
	}
	return false
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}
