package tools

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/filetest"
)

// TestCompileProgram compiles a program and its policy pack, and then has a Go that compiles
// nothing, to see when it is asked again.
func TestCompileProgram(t *testing.T) {
	tools := In(t.TempDir())
	for name, text := range map[string]string{
		"go.work":       "go 1.26.0\nuse (\n\t./infra\n\t./policy\n)\n",
		"infra/go.mod":  "module example.com/infra\ngo 1.26.0\nrequire example.com/sdk v1.0.0\nreplace example.com/sdk => ../sdk\n",
		"infra/go.sum":  "",
		"infra/main.go": "package main\nimport \"example.com/sdk\"\nfunc main() { sdk.Run() }\n",
		"policy/go.mod": "module example.com/policy\ngo 1.26.0\n", "policy/go.sum": "",
		"policy/main.go": "package main\nfunc main() {}\n",
		"sdk/go.mod":     "module example.com/sdk\ngo 1.26.0\n",
		"sdk/sdk.go":     "package sdk\nfunc Run() {}\n",
	} {
		filetest.Write(t, filepath.Join(tools.Root, name), text)
	}
	t.Setenv("GOCACHE", t.TempDir())
	t.Setenv("GOWORK", "")
	t.Setenv("GOFLAGS", "")
	compile := func() error { return tools.CompileProgram(t.Context(), 1<<30) }
	if err := compile(); err != nil {
		t.Fatal(err)
	}
	stamp, err := os.ReadFile(tools.stampFile(Program))
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(stamp))[1:]
	if len(files) != 1 {
		t.Fatalf("the stamp lists %q, want the file of the SDK's one package", files)
	}
	known, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	filetest.Write(t, filepath.Join(tools.Root, "bin", "go"), "#!/bin/sh\n[ \"$1\" = env ] && exec "+known+" \"$@\"\nexit 1\n") // compiles nothing
	t.Setenv("PATH", filepath.Join(tools.Root, "bin")+":"+os.Getenv("PATH"))
	if err := compile(); err != nil {
		t.Errorf("with all compiled: %v", err)
	}
	filetest.Write(t, filepath.Join(tools.Root, "infra/main.go"), "package main\nfunc main() {}\n")
	if err := compile(); err != nil {
		t.Errorf("after a change of the program, which Pulumi compiles: %v", err)
	}
	policy := filepath.Join(tools.Root, "policy", "go.mod")
	before, err := os.ReadFile(policy)
	if err != nil {
		t.Fatal(err)
	}
	for version, same := range map[string]bool{"v1.0.0": true, "v1.0.1": false} {
		filetest.Write(t, policy, string(before)+"require example.com/sdk "+version+"\n")
		if err := compile(); (err == nil) != same {
			t.Errorf("with another module that requires %s of the SDK: %v", version, err)
		}
	}
	filetest.Write(t, policy, string(before))
	t.Setenv("GOFLAGS", "-trimpath")
	if err := compile(); err == nil {
		t.Error("nothing is compiled with other flags")
	}
	t.Setenv("GOFLAGS", "")
	if err := compile(); err != nil {
		t.Errorf("with the versions from before: %v", err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := compile(); err == nil {
		t.Error("nothing is compiled after Go has removed a package")
	}
}

func TestAtOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cores, gib, want int
	}{{2, 23, 2}, {8, 10, 1}, {8, 64, 8}, {4, 16, 2}, {4, 13, 2}, {4, 2, 1}} {
		if got := atOnce(test.cores, uint64(test.gib)<<30); got != test.want {
			t.Errorf("atOnce(%d, %d GiB) = %d, want %d", test.cores, test.gib, got, test.want)
		}
	}
}
