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

	"example.com/grpc-edge/internal/subprocess"
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
	there, err := installed(ctx)
	if err != nil {
		return err
	}
	var missing []string
	for _, p := range plugins {
		if there[p] {
			continue
		}
		fmt.Fprintf(out, "fetching the plugin %s %s\n", p.Name, p.Version)
		if _, err := subprocess.Output(exec.CommandContext(ctx, command, "plugin", "install", "resource", p.Name, p.Version)); err != nil {
			missing = append(missing, "  "+strings.ReplaceAll(err.Error(), "\n", "\n    "))
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

// installed returns the resource plugins that the Pulumi CLI has.
func installed(ctx context.Context) (map[plugin]bool, error) {
	text, err := subprocess.Output(exec.CommandContext(ctx, command, "plugin", "ls", "--json"))
	if err != nil {
		return nil, fmt.Errorf("asking the Pulumi CLI for its plugins: %w", err)
	}
	var list []struct{ Name, Kind, Version string }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("reading the Pulumi CLI's list of plugins: %w", err)
	}
	there := map[plugin]bool{}
	for _, p := range list {
		if p.Kind == "resource" {
			there[plugin{p.Name, p.Version}] = true
		}
	}
	return there, nil
}
