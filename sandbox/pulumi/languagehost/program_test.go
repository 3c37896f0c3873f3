package languagehost

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"example.com/grpc-edge/sandbox/filetest"
)

// TestModulesAreKept changes a program between the questions of an engine. It adds a module that no
// program has to the kept list, so that a kept list can be told from a new one.
func TestModulesAreKept(t *testing.T) {
	t.Setenv("PULUMI_HOME", t.TempDir())
	dir := t.TempDir()
	filetest.Write(t, filepath.Join(dir, "go.mod"), "module program\n")
	filetest.Write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	info := &pulumirpc.ProgramInfo{ProgramDirectory: dir}
	host := &Host{ctx: t.Context()}
	target, err := buildTarget(dir, options{})
	if err != nil {
		t.Fatal(err)
	}
	listed := func() (paths []string) {
		t.Helper()
		list, err := host.requiredModules(t.Context(), info, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			paths = append(paths, m.Path)
		}
		return paths
	}
	want := func(what string, want ...string) {
		t.Helper()
		if got := listed(); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: the modules are %q, want %q", what, got, want)
		}
	}
	run := func() error {
		_, err := host.executable(t.Context(), info)
		return err
	}

	want("before the first run", "program")
	if _, err := os.Stat(target); err == nil {
		t.Error("a program is compiled for its modules alone")
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	want("after it", "program")
	mark(t, target)
	want("of the same program", "program", "kept")
	filetest.Write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { println() }\n")
	want("of another program", "program")

	filetest.Write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { undeclared() }\n")
	want("of a broken program", "program")
	for range 2 { // the second builds again
		if err := run(); err == nil || !strings.Contains(err.Error(), "undefined: undeclared") {
			t.Errorf("a broken program: %v, want the compiler's error", err)
		}
	}
	filetest.Write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	if err := run(); err != nil {
		t.Errorf("a mended program: %v", err)
	}
}

// mark adds a module to the kept list of a program.
func mark(t *testing.T, program string) {
	t.Helper()
	file := program + ".modules.json"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list kept
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	list.Modules = append(list.Modules, module{Path: "kept"})
	if text, err = json.Marshal(list); err != nil {
		t.Fatal(err)
	}
	filetest.Write(t, file, string(text))
}

// TestEarlyBuild has a build that began early serve one Run. The next one builds again.
func TestEarlyBuild(t *testing.T) {
	t.Parallel()
	var e early
	broken := errors.New("main.go:4:2: undefined: undeclared")
	builds, finish := make(chan struct{}, 2), make(chan struct{})
	for range 2 {
		e.begin("target", func() error { builds <- struct{}{}; <-finish; return broken })
	}
	if e.upToDate("target", 0) {
		t.Error("a program counts as up to date while it is being built")
	}
	close(finish)
	if begun, err := e.result(t.Context(), "target"); !begun || !errors.Is(err, broken) {
		t.Errorf("result() = %v, %v, want the error of the build", begun, err)
	}
	if begun, err := e.result(t.Context(), "target"); begun || err != nil {
		t.Errorf("result() = %v, %v, want no build: its result is taken", begun, err)
	}
	if e.wait(); len(builds) != 1 {
		t.Errorf("it was built %d times, want once", len(builds))
	}

	e.begin("target", func() error { return broken })
	e.wait()
	e.begin("target", func() error { return nil })
	if begun, err := e.result(t.Context(), "target"); !begun || err != nil {
		t.Errorf("result() = %v, %v, want that of the second build: nobody took the first", begun, err)
	}

	release := make(chan struct{})
	e.begin("slow", func() error { <-release; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if begun, err := e.result(ctx, "slow"); !begun || err == nil {
		t.Errorf("result() = %v, %v, want an error: the engine waits no longer", begun, err)
	}
	close(release)
	e.wait()
}

// TestProgramOfAnotherOwner builds a program in a repository of another user, as on the volume of a
// container. Git answers nothing there, and without the host's flag Go fails.
func TestProgramOfAnotherOwner(t *testing.T) {
	dir := t.TempDir()
	filetest.Write(t, filepath.Join(dir, "go.mod"), "module program\n")
	filetest.Write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1") // of git's own tests
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)        // which may trust all folders
	t.Setenv("GOFLAGS", "")
	t.Setenv("GOENV", "off") // the file of `go env -w`, which may set GOFLAGS
	target := filepath.Join(t.TempDir(), "program")
	plain := exec.CommandContext(t.Context(), "go", "build", "-o", target, ".")
	plain.Dir = dir
	if out, err := plain.CombinedOutput(); err == nil || !strings.Contains(string(out), "VCS") {
		t.Errorf("go build: %v\n%s\nwant an error of its VCS stamp", err, out)
	}
	if err := build(t.Context(), dir, target); err != nil {
		t.Error(err)
	}
}
