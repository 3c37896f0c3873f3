package languagehost

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/grpc-edge/sandbox/pulumi/clitest"
)

func newProject(t *testing.T, program, runtimeOptions string) *clitest.Project {
	t.Helper()
	p := clitest.New(t, filepath.Join("testdata", program), runtimeOptions)
	p.MustRun("config", "set", "plain", "seen by all")
	p.MustRun("config", "set", "--secret", "hidden", "seen by few")
	return p
}

func TestUpGivesTheProgramItsConfig(t *testing.T) {
	t.Parallel()
	p := newProject(t, "program", "")

	if preview := p.MustRun("preview"); !strings.Contains(preview, "printed by the program") ||
		!strings.Contains(preview, "test:index:Greeting") {
		t.Errorf("preview shows neither the program's output nor its component:\n%s", preview)
	}
	p.MustRun("up", "--yes", "--skip-preview")

	var got map[string]string
	if err := json.Unmarshal([]byte(p.MustRun("stack", "output", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"plain": "seen by all", "hidden": "[secret]", "where": "hosted/test in program", "root": "project",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stack outputs differ (-want +got):\n%s", diff)
	}
	if hidden := strings.TrimSpace(p.MustRun("stack", "output", "hidden", "--show-secrets")); hidden != "seen by few" {
		t.Errorf("secret config arrived as %q, want %q", hidden, "seen by few")
	}
	if preview := p.MustRun("preview", "--expect-no-changes"); strings.Contains(preview, "to update") {
		t.Errorf("preview after up shows changes:\n%s", preview)
	}
	p.MustRun("destroy", "--yes", "--skip-preview")
}

func TestFailuresAreToldOnce(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, program, end, want string }{
		{"the program returns an error", "program", "error", "the greeting is missing"},
		{"the program exits with a code", "program", "exit", "the program exited with code 7"},
		{"the program does not compile", "broken", "", "main.go:4:2: undefined: undeclared"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, c.program, "")
			p.MustRun("config", "set", "end", c.end)
			output, err := p.Run("preview")
			if err == nil {
				t.Fatalf("preview succeeded:\n%s", output)
			}
			// Before the summary, the CLI shows the same lines as they happen.
			_, diagnostics, _ := strings.Cut(output, "Diagnostics:")
			for _, text := range []string{c.want, "error: "} {
				if got := strings.Count(diagnostics, text); got != 1 {
					t.Errorf("%q is %d times in the diagnostics, want once:\n%s", text, got, output)
				}
			}
		})
	}
}

func TestRuntimeOptions(t *testing.T) {
	t.Parallel()
	target := filepath.Join(t.TempDir(), "built")
	build := newProject(t, "program", "buildTarget: "+target)
	build.MustRun("preview")
	if _, err := os.Stat(target); err != nil {
		t.Fatalf("buildTarget was not built: %v", err)
	}

	prebuilt := newProject(t, "broken", "binary: built")
	for _, variable := range prebuilt.Command().Env {
		if path, found := strings.CutPrefix(variable, "PATH="); found {
			prebuilt.Env = []string{"PATH=" + path + ":" + filepath.Dir(target)}
		}
	}
	if output := prebuilt.MustRun("preview"); !strings.Contains(output, "printed by the program") {
		t.Errorf("runtime option binary: the program did not run:\n%s", output)
	}

	both := newProject(t, "program", "binary: a, buildTarget: b")
	if output, err := both.Run("preview"); err == nil || !strings.Contains(output, "exclude each other") {
		t.Errorf("binary and buildTarget together: got error %v and\n%s", err, output)
	}
}

// TestProgramOfAnotherUser builds a clone that belongs to another user, as on the volume of a
// container. git refuses to tell its commit there.
func TestProgramOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	t.Setenv("GOFLAGS", "")
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	dir := filepath.Join(t.TempDir(), "a program")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{"go.mod": "module program\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"git", "init", "--quiet", dir}, {"chown", "-R", "65534", dir}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if out, err := exec.Command("git", "-C", dir, "status").CombinedOutput(); err == nil {
		t.Fatalf("git works in the folder of another user, so this test shows nothing:\n%s", out)
	}
	if err := build(t.Context(), dir, filepath.Join(t.TempDir(), "built")); err != nil {
		t.Error(err)
	}
}

// TestInterruptStopsTheProgram interrupts the CLI during a preview, and checks that it ends and the
// program no longer runs.
func TestInterruptStopsTheProgram(t *testing.T) {
	t.Parallel()
	target := filepath.Join(t.TempDir(), "hanging")
	p := newProject(t, "program", "buildTarget: "+target)
	p.MustRun("config", "set", "end", "hang")
	cmd := p.Command("preview")
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // an interrupted CLI fails
		close(ended)
	}()
	waitFor(t, "the program to start", func() bool { return running(target) })

	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		t.Fatalf("pulumi did not end within 30 s of an interrupt:\n%s", output.String())
	}
	waitFor(t, "the program to end", func() bool { return !running(target) })
}

// running reports whether a process runs the executable at the path, or one in a folder there.
func running(path string) bool {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	return slices.ContainsFunc(links, func(link string) bool {
		target, err := os.Readlink(link)
		return err == nil && strings.HasPrefix(strings.TrimSuffix(target, " (deleted)")+"/", path+"/")
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 2 minutes for %s", what)
		}
	}
}
