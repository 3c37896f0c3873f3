package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const repository = "../.."

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden shows what a new service consists of, but for go.mod and go.sum,
// which are the model's.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := plan(repository, "greeter")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.folder == "" || strings.HasPrefix(filepath.Base(f.path), "go.") {
			continue
		}
		golden := filepath.Join("testdata", f.path)
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, f.after, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(f.after, want) {
			t.Errorf("%s is not as %s (%v); see `git diff` after `go test . -update`:\n%s", f.path, golden, err, f.after)
		}
	}
}

func TestListsGetLines(t *testing.T) {
	t.Parallel()
	added := map[string][]string{
		"go.work":  {"./services/greeter"},
		"buf.yaml": {"- path: services/greeter"},
		"infra/go.mod": {
			"example.com/grpc-edge/services/greeter v0.0.0",
			"example.com/grpc-edge/services/greeter => ../services/greeter",
		},
		"infra/services.go": {
			`greeter "example.com/grpc-edge/services/greeter/api"`,
			`{Folder: "services/greeter", File: greeter.File_api_greeter_proto},`,
		},
	}
	files, err := plan(repository, "greeter")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.folder != "" {
			continue
		}
		var got []string
		before := strings.Split(string(f.before), "\n")
		for line := range strings.SplitSeq(string(f.after), "\n") {
			if len(before) > 0 && line == before[0] {
				before = before[1:]
			} else {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if len(before) > 0 || !slices.Equal(got, added[f.path]) {
			t.Errorf("%s gets the lines %q, want %q; it lacks %q", f.path, got, added[f.path], before)
		}
		delete(added, f.path)
	}
	if len(added) > 0 {
		t.Errorf("not listed in %v", added)
	}
}

func TestLinesAreInOrder(t *testing.T) {
	t.Parallel()
	const around = "a\n  services/bar\n  services/echo\n  services/foo\nservices/zoo\n"
	for name, want := range map[string]string{
		"aaa":  "a\n  services/aaa\n  services/bar\n  services/echo\n  services/foo\nservices/zoo\n",
		"cat":  "a\n  services/bar\n  services/cat\n  services/echo\n  services/foo\nservices/zoo\n",
		"elf":  "a\n  services/bar\n  services/echo\n  services/elf\n  services/foo\nservices/zoo\n",
		"last": "a\n  services/bar\n  services/echo\n  services/foo\n  services/last\nservices/zoo\n",
	} {
		if got, err := list(around, name); err != nil || got != want {
			t.Errorf("with %s: %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := list("services/echoes\n", "aaa"); err == nil || !strings.Contains(err.Error(), "services/echo") {
		t.Errorf("without a line about the model: %v, want an error that names it", err)
	}
}

func TestRefusedNames(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	before := tree(t, root)
	for name, want := range map[string]string{
		"":                      "such as NAME=greeter",
		"Greeter":               "all small",
		"my-greeter":            "letters and digits",
		"my_greeter":            "letters and digits",
		"1greeter":              "must be a letter",
		"../greeter":            "must be a letter",
		"größe":                 "letters and digits",
		"greeter ":              "letters and digits",
		strings.Repeat("a", 64): "63",
		"func":                  "means something in Go",
		"string":                "means something in Go",
		"init":                  "means something in Go",
		"envoy":                 "the edge itself",
		"chassis":               "services/chassis is there already",
		"directory":             "services/directory is there already",
		"echo":                  "services/echo is there already",
		"services":              "infra/services.go", // a variable
		"stack":                 "infra/main.go",     // a type
		"program":               "infra/main.go",     // a function
		"service":               "infra/services.go", // an import
		"taken":                 "taken.proto has message TakenRequest {",
		"route":                 `taken.proto has "/v1/route"`,
	} {
		err := run(t.Context(), root, name, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NAME=%q: %v, want an error with %q", name, err, want)
		}
	}
	if after := tree(t, root); !slices.Equal(after, before) {
		t.Errorf("refused names left\n%s\nwant\n%s", after, before)
	}
}

func TestFailureLeavesEverythingAsItWas(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	if err := os.WriteFile(filepath.Join(root, "Makefile"), []byte("generate:\n\tfalse\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	if err := run(t.Context(), root, "greeter", io.Discard); err == nil || !strings.Contains(err.Error(), "make generate") {
		t.Errorf("run() without generated code = %v, want an error", err)
	}
	if after := tree(t, root); !slices.Equal(after, before) {
		t.Errorf("a failure leaves\n%s\nwant\n%s", after, before)
	}
}

// TestServiceWorks does to a new service what a contributor and CI would.
func TestServiceWorks(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	var out bytes.Buffer
	if err := run(t.Context(), root, "greeter", &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "services/greeter/handlers.go") || !strings.Contains(out.String(), "make up") {
		t.Errorf("the report lacks what was made or what comes next:\n%s", &out)
	}
	folder := filepath.Join(root, "services", "greeter")
	execute(t, root, "make", "--no-print-directory", "proto-lint")
	execute(t, folder, "go", "mod", "tidy", "-diff")
	execute(t, folder, "go", "vet", "./...")
	execute(t, folder, "go", "test", "./...")
	if unformatted := execute(t, folder, "gofmt", "-l", ".", "../../infra/services.go"); unformatted != "" {
		t.Errorf("gofmt would change %s", unformatted)
	}
	execute(t, filepath.Join(root, "infra"), "go", "list", "example.com/grpc-edge/services/greeter/api")
	document, err := os.ReadFile(filepath.Join(root, "docs", "openapi.yaml"))
	if err != nil || !bytes.Contains(document, []byte("/v1/greeter:")) {
		t.Errorf("the OpenAPI document lacks /v1/greeter (%v):\n%s", err, document)
	}
}

// checkout is a copy of what the generator reads and writes, with links to what
// it only runs, and a proto that has taken some names.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	source, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, linked := range []string{".cache", "tools", "policy", "services/chassis", "services/directory", "services/generate.mk", "bench/bench.mk"} {
		target := filepath.Join(root, linked)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(source, linked), target); err != nil {
			t.Fatal(err)
		}
	}
	patterns := []string{
		"Makefile", "go.work", "buf.yaml", "buf.gen.yaml", "docs/openapi.yaml", "infra/*.go", "infra/go.*",
		"Pulumi*.yaml", "infra/config/*.go",
		"services/echo/*", "services/echo/api/*", "services/reverse/*", "services/reverse/api/*",
	}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(source, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("nothing is at %s: %v", pattern, err)
		}
		for _, path := range paths {
			relative, _ := filepath.Rel(source, path)
			copyFile(t, path, filepath.Join(root, relative))
		}
	}
	taken := "message TakenRequest {}\n// \"/v1/route\"\n"
	if err := os.MkdirAll(filepath.Join(root, "services", "other", "api"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "services", "other", "api", "taken.proto"), []byte(taken), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if info, err := os.Stat(from); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		return
	}
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree is every file, with its content.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files = append(files, path+"\n"+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// execute runs a command outside any workspace, as images are built.
func execute(t *testing.T, directory, name string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = directory
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, output)
	}
	return string(output)
}
