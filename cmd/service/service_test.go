package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"
)

const repository = "../.."

// TestGolden shows what a new service consists of, but for go.mod and go.sum, which
// are the model's.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"greeter", "my-shop2"} {
		files, err := plan(repository, name)
		if err != nil {
			t.Fatal(err)
		}
		for p, content := range files {
			if strings.HasPrefix(p, "go.") {
				continue
			}
			golden.AssertBytes(t, content, filepath.Join(name, p))
		}
	}
}

func TestRefusedNames(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	taken := "syntax = \"proto3\";\npackage taken.v1;\n"
	if err := os.WriteFile(filepath.Join(root, "services", "echo", "api", "taken.proto"), []byte(taken), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	for name, want := range map[string]string{
		"":                      "such as greeter",
		"Greeter":               "lower case",
		"my_greeter":            "letters, digits or single hyphens",
		"1greeter":              "lower case letter",
		"my--greeter":           "single hyphens",
		"../greeter":            "lower case",
		"größe":                 "lower case",
		strings.Repeat("a", 64): "at most 40",
		"envoy":                 "is the edge itself",
		"lifecycle":             "starts and drains Envoy",
		"internal":              "lets no other module import",
		"chassis":               "services share",
		"echo":                  "services/echo is there already",
		"taken":                 "services/echo/api/taken.proto has its package, taken.v1",
	} {
		if err := run(t.Context(), root, []string{"add", name}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NAME=%q: %v, want an error with %q", name, err, want)
		}
		if name == "taken" {
			continue // as a name it is free: a renamed service keeps its protos
		}
		if err := run(t.Context(), root, []string{"rename", "reverse", name}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("TO=%q: %v, want an error with %q", name, err, want)
		}
		if name == "echo" {
			continue
		}
		if err := run(t.Context(), root, []string{"remove", name}, io.Discard); err == nil || !strings.Contains(err.Error(), "must be one of echo, reverse") {
			t.Errorf("remove %q: %v", name, err)
		}
	}
	if after := tree(t, root); !slices.Equal(after, before) {
		t.Errorf("refused names left\n%s\nwant\n%s", after, before)
	}
}

func TestFailureLeavesEverythingAsItWas(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	if err := os.WriteFile(filepath.Join(root, "Makefile"), []byte("protos:\n\t@echo compiling\n\t@false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	var out bytes.Buffer
	if err := run(t.Context(), root, []string{"add", "greeter"}, &out); err == nil || !strings.Contains(err.Error(), "make protos") {
		t.Errorf("without generated code: %v, want an error", err)
	}
	if !strings.Contains(out.String(), "compiling") {
		t.Errorf("what make prints is not shown:\n%s", &out)
	}
	if after := tree(t, root); !slices.Equal(after, before) {
		t.Errorf("a failure leaves\n%s\nwant\n%s", after, before)
	}
}

// TestServicesWork adds services before and after the others in the alphabet, and does
// what a contributor and CI would: everything passes without an edit.
func TestServicesWork(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	added := []string{"aaa", "b2b", "greeter", "k8s-proxy", "my-shop2", "users2", "x-1a", "zoo"}
	var out bytes.Buffer
	for _, name := range added[1:] {
		if _, err := write(root, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(t.Context(), root, []string{"add", added[0]}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"compiling the protos in services/zoo", "aaa.v1.AaaService", "services/aaa/handlers.go", "make up"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
	execute(t, root, "go", "-C", "cmd/protos", "run", ".", "-root", root, "check")
	execute(t, root, "make", "--no-print-directory", "proto-lint")
	for _, name := range added {
		dir := folder(root, name)
		execute(t, dir, "go", "mod", "tidy", "-diff")
		execute(t, dir, "go", "vet", "./...")
		if unformatted := execute(t, dir, "gofmt", "-l", "."); unformatted != "" {
			t.Errorf("gofmt would change %s", unformatted)
		}
	}
	execute(t, folder(root, "my-shop2"), "go", "test", "./...")
	for _, module := range []string{"services/catalog", "cmd/configuration", "cmd/licences"} {
		execute(t, filepath.Join(root, module), "go", "test", "./...")
	}
	work, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil || !strings.Contains(string(work), "\t./services/aaa\n\t./services/b2b\n\t./services/catalog\n") || !strings.Contains(string(work), "\t./services/zoo\n\t./test\n") {
		t.Errorf("go.work does not list them in order (%v):\n%s", err, work)
	}
	mustCall(t, root, "greeter", "my-shop2", "zoo")
}

// mustCall has one service call the next by its generated client, and builds each as images are
// built. Then a callee cannot be removed, and a renamed one is called by its new name.
func mustCall(t *testing.T, root string, chain ...string) {
	t.Helper()
	steps := func(args ...string) error { return run(t.Context(), root, args, io.Discard) }
	for i := len(chain) - 1; i > 0; i-- {
		caller, n := chain[i-1], namesOf(chain[i])
		if err := steps("calls", caller, n.Name); err != nil {
			t.Fatal(err)
		}
		program := fmt.Sprintf(`package main

import (
	"example.com/grpc-edge/services/chassis"
	%[3]s "example.com/grpc-edge/services/%[1]s/%[2]s"
)

func dialCallee() (%[3]s.%[4]sClient, error) {
	connection, err := chassis.Dial("%[1]s")
	return %[3]s.New%[4]sClient(connection), err
}

var _ = dialCallee
`, n.Name, n.ProtoDir, n.GoPackage, n.Service)
		if err := os.WriteFile(filepath.Join(folder(root, caller), "callee.go"), []byte(program), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range chain {
		execute(t, folder(root, name), "go", "mod", "tidy", "-diff")
		execute(t, folder(root, name), "go", "build", "-o", os.DevNull, ".")
	}
	last := chain[len(chain)-1]
	if err := steps("remove", last); err == nil || !strings.Contains(err.Error(), "go.mod:") {
		t.Errorf("removing a service whose client another has: %v", err)
	}
	if err := steps("rename", last, "zebra"); err != nil {
		t.Fatal(err)
	}
	caller := folder(root, chain[len(chain)-2])
	execute(t, caller, "go", "build", "-o", os.DevNull, ".")
	for file, want := range map[string]string{"callee.go": `chassis.Dial("zebra")`, "service.yaml": "calls: [zebra]\n"} {
		if got, err := os.ReadFile(filepath.Join(caller, file)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("after the renaming, %s is %s (%v), want %s", file, got, err, want)
		}
	}
}

func TestRenameCall(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{
		"":                                   "",
		"cpu: 1\ncalls: []\n":                "cpu: 1\ncalls: []\n",
		"calls: [price, stock, tax] # one\n": "calls: [price, inventory, tax] # one\n",
		"calls: [\"stock\", stock-2]\n":      "calls: [\"inventory\", stock-2]\n",
		"calls:\n  - tax\n  - stock # all\n": "calls:\n  - tax\n  - inventory # all\n",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "service.yaml")
		if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := renameCall(dir, "stock", "inventory"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("renaming stock in %q = %q, %v, want %q", before, got, err, want)
		}
	}
}

func TestRenameInBuf(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{
		"modules:\n  - path: services/stock/proto\n    lint:\n      ignore: [services/stock/proto/old, 'services/stock']\n": "modules:\n  - path: services/inventory/proto\n    lint:\n" +
			"      ignore: [services/inventory/proto/old, 'services/inventory']\n",
		"  - path: services/stock":                                   "  - path: services/inventory",
		"  - path: services/stock-2\n  - path: services/livestock\n": "  - path: services/stock-2\n  - path: services/livestock\n",
	} {
		root := t.TempDir()
		file := filepath.Join(root, "buf.yaml")
		if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := renameInBuf(root, "stock", "inventory"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("renaming stock in %q = %q, %v, want %q", before, got, err, want)
		}
	}
}

func TestWithCall(t *testing.T) {
	t.Parallel()
	for before, want := range map[string]string{
		"":                                   "calls: [stock]\n",
		"# Nothing.\n":                       "# Nothing.\ncalls: [stock]\n",
		"cpu: 1":                             "cpu: 1\ncalls: [stock]\n",
		"calls: [] # none\ncpu: 1\n":         "calls: [stock] # none\ncpu: 1\n",
		"calls: [price]\n\ncpu: 1\n":         "calls: [stock, price]\n\ncpu: 1\n",
		"calls: [\n  \"price\"\n]\n":         "calls: [\n  stock, \"price\"\n]\n",
		"calls:\n  - price # all\n  - tax\n": "calls:\n  - stock\n  - price # all\n  - tax\n",
		"calls:\n- price\n":                  "calls:\n- stock\n- price\n",
		"calls: [price, stock]\n":            "calls: [price, stock]\n",
	} {
		file := filepath.Join(t.TempDir(), "service.yaml")
		if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := withCall(file, "stock"); err != nil || string(got) != want {
			t.Errorf("withCall(%q) = %q, %v, want %q", before, got, err, want)
		}
	}
}

func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	if err := os.WriteFile(filepath.Join(folder(root, "reverse"), "service.yaml"), []byte("calls: echo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	for args, want := range map[[2]string]string{
		{"echo", "nothing"}: "there is no service",
		{"nothing", "echo"}: "there is no service",
		{"echo", "echo"}:    "cannot call itself",
		{"reverse", "echo"}: "must be a list",
	} {
		if err := run(t.Context(), root, []string{"calls", args[0], args[1]}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s calls %s: %v, want an error with %q", args[0], args[1], err, want)
		}
	}
	if after := tree(t, root); !slices.Equal(after, before) {
		t.Error("a refused call leaves something behind")
	}
}

// TestRenameAndRemove takes a new service to another name, and away again.
func TestRenameAndRemove(t *testing.T) {
	t.Parallel()
	root := checkout(t)
	before := tree(t, root)
	var out bytes.Buffer
	steps := func(args ...string) error { return run(t.Context(), root, args, &out) }
	if err := steps("add", "greeter"); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	stack := filepath.Join(root, "Pulumi.sandbox.yaml")
	content, err := os.ReadFile(stack)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stack, append(content, "\n  grpc-edge:services:\n    greeter:\n      replicas: 3\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := steps("rename", "greeter", "welcome-2"); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "WELCOME_2_TARGET") || !strings.Contains(out.String(), "Pulumi.sandbox.yaml:") {
		t.Errorf("the report does not say what is left to do:\n%s", &out)
	}
	execute(t, folder(root, "welcome-2"), "go", "vet", "./...")
	execute(t, root, "go", "-C", "cmd/protos", "run", ".", "-root", root, "check")
	caller := filepath.Join(folder(root, "echo"), "service.yaml")
	spec, err := os.ReadFile(caller)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(caller, []byte("calls: [welcome-2]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := steps("remove", "echo"); err == nil || !strings.Contains(err.Error(), "services.echo.private") {
		t.Errorf("removing a service that tests call: %v", err)
	}
	if err := steps("remove", "welcome-2"); err == nil || !strings.Contains(err.Error(), "services/echo/service.yaml:1: calls: [welcome-2]") {
		t.Errorf("removing a service that another calls: %v", err)
	}
	for file, content := range map[string][]byte{caller: spec, stack: content} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := steps("remove", "welcome-2"); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, file := range tree(t, root) {
		if !slices.Contains(before, file) {
			t.Errorf("adding, renaming and removing a service changes %.300s", file)
		}
	}
}

// checkout copies the repository, with a link to the tools in its cache.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	source, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing of these is read here, and they are most of what there is.
	left := []string{".git", ".cache", "docs/resilience"}
	err = filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(source, path)
		if slices.Contains(left, relative) {
			return map[bool]error{true: filepath.SkipDir}[entry.IsDir()]
		}
		return copyEntry(path, filepath.Join(root, relative), entry)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, ".cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(source, ".cache", "bin"), filepath.Join(root, ".cache", "bin")); err != nil {
		t.Fatal(err)
	}
	return root
}

// copyEntry copies a folder or a file with its time, by which make sees that the tools
// in the cache are new enough.
func copyEntry(from, to string, entry fs.DirEntry) error {
	if entry.IsDir() {
		return os.MkdirAll(to, 0o755)
	}
	if !entry.Type().IsRegular() {
		return nil
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, content, 0o644); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// tree is every file, with its content.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Name() == ".cache" {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
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
func execute(t *testing.T, folder, name string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	output, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%s in %s: %v\n%s", command, folder, err, output)
	}
	return string(output)
}
