package languagehost

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func TestRequiredPackage(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, file, content string
		main                bool
		want                string // name and version, empty for none
	}{
		{"an SDK with its file in go/<name>", "go/tls/pulumi-plugin.json", `{"resource": true, "name": "tls", "version": "5.2.0"}`, false, "tls 5.2.0"},
		{"an SDK that names no version", "pulumi-plugin.json", `{"resource": true, "name": "random"}`, false, "random v1.2.3"},
		{"an SDK without a plugin", "go/pulumi-plugin.json", `{"resource": false}`, false, ""},
		{"the program's own module", "x/pulumi-plugin.json", `{"resource": true, "name": "x"}`, true, ""},
		{"any other module", "README.md", "", false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, c.file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			pkg, err := module{Path: "m", Version: "v1.2.3", Dir: dir, Main: c.main}.requiredPackage()
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if pkg != nil {
				got = pkg.Name + " " + pkg.Version
			}
			if got != c.want {
				t.Errorf("requiredPackage() = %q, want %q", got, c.want)
			}
		})
	}
}

func TestProgramDependencies(t *testing.T) {
	t.Parallel()
	program, err := filepath.Abs("testdata/program")
	if err != nil {
		t.Fatal(err)
	}
	info := &pulumirpc.ProgramInfo{ProgramDirectory: program}
	for _, transitive := range []bool{false, true} {
		resp, err := (&Host{}).GetProgramDependencies(context.Background(),
			&pulumirpc.GetProgramDependenciesRequest{Info: info, TransitiveDependencies: transitive})
		if err != nil {
			t.Fatal(err)
		}
		var sdk, deeper bool
		for _, dependency := range resp.Dependencies {
			sdk = sdk || dependency.Name == "github.com/pulumi/pulumi/sdk/v3" && strings.HasPrefix(dependency.Version, "v3.")
			deeper = deeper || dependency.Name == "github.com/hashicorp/go-multierror"
		}
		if !sdk || deeper != transitive {
			t.Errorf("transitive %v: the Pulumi SDK is listed: %v, a module it depends on: %v", transitive, sdk, deeper)
		}
	}
}

func TestHostIsRefusedWithoutEngine(t *testing.T) {
	t.Parallel()
	if _, err := (&Host{}).Run(context.Background(), &pulumirpc.RunRequest{}); err == nil {
		t.Error("Run() without an engine succeeded")
	}
	if _, err := (&Host{}).Handshake(context.Background(), &pulumirpc.LanguageHandshakeRequest{}); err == nil {
		t.Error("Handshake() without an address succeeded")
	}
}
