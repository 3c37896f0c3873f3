// Package clitest runs the real Pulumi CLI on a Go program from a test, with the
// test's own binary as the language host.
//
// The test's TestMain must hand over to languagehost.Main when the binary is
// started by the name pulumi-language-go.
package clitest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Project is a Pulumi project in a folder of its own, with stack "test" in a
// file backend. All of it is removed with the test.
type Project struct {
	t    *testing.T
	root string
	// Env is added to the environment of every command.
	Env []string
}

// New creates a project whose program is in the folder program, as seen from the test.
// runtimeOptions are YAML for runtime.options in Pulumi.yaml, without the braces. It fails the
// test if the CLI has not been built.
func New(t *testing.T, program, runtimeOptions string) *Project {
	t.Helper()
	cli := findCLI(t)
	main, err := filepath.Abs(program)
	fail(t, err)
	self, err := os.Executable()
	fail(t, err)
	p := &Project{t: t, root: t.TempDir()}
	for _, folder := range []string{"project", "bin", "state"} {
		fail(t, os.Mkdir(filepath.Join(p.root, folder), 0o755))
	}
	fail(t, os.Symlink(self, filepath.Join(p.root, "bin", "pulumi-language-go")))
	fail(t, os.Symlink(cli, filepath.Join(p.root, "bin", "pulumi")))
	yaml := fmt.Sprintf("name: hosted\nmain: %s\nruntime:\n  name: go\n  options: {%s}\n", main, runtimeOptions)
	fail(t, os.WriteFile(filepath.Join(p.root, "project", "Pulumi.yaml"), []byte(yaml), 0o644))
	p.MustRun("stack", "init", "test")
	return p
}

// Command returns the command `pulumi args...`, not started.
func (p *Project) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.root, "bin", "pulumi"), append([]string{"--non-interactive", "--color=never"}, args...)...)
	cmd.Dir = filepath.Join(p.root, "project")
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Join(p.root, "bin")+":"+os.Getenv("PATH"),
		"PULUMI_HOME="+filepath.Join(p.root, "home"),
		"PULUMI_BACKEND_URL=file://"+filepath.Join(p.root, "state"),
		"PULUMI_CONFIG_PASSPHRASE=x",
		"PULUMI_SKIP_UPDATE_CHECK=true",
		// The providers are attached, and there is nothing to download.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
	)
	cmd.Env = append(cmd.Env, p.Env...)
	return cmd
}

// Run runs `pulumi args...` and returns all it printed.
func (p *Project) Run(args ...string) (string, error) {
	output, err := p.Command(args...).CombinedOutput()
	return string(output), err
}

// MustRun runs like Run, and fails the test if the command fails.
func (p *Project) MustRun(args ...string) string {
	p.t.Helper()
	output, err := p.Run(args...)
	if err != nil {
		p.t.Fatalf("pulumi %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return output
}

// findCLI returns the path of the CLI, in .cache/bin of a folder that the test is in.
func findCLI(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	fail(t, err)
	for ; folder != "/"; folder = filepath.Dir(folder) {
		cli := filepath.Join(folder, ".cache", "bin", "pulumi")
		if _, err := os.Stat(cli); err == nil {
			return cli
		}
	}
	t.Fatal("there is no Pulumi CLI in .cache/bin: build it with `make tools`")
	return ""
}

func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
