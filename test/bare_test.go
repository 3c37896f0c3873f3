package test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/grpc-edge/internal/workcopy"
)

// nobody is the UID of the owner of the folder of [TestBareEnvironment].
const nobody = 65534

// TestBareEnvironment builds the repository's programs as a newcomer does, in an environment
// unlike a developer's machine. The folder has a space in its name and belongs to another
// user. The module cache is read-only. New files are readable by their owner alone. Only
// PATH, HOME and the caches are set, so that GOFLAGS or git's settings hide no fault.
func TestBareEnvironment(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "folder of another user")
	if err := workcopy.Sources(root, dir); err != nil {
		t.Fatal(err)
	}
	b := bare{dir: dir, cache: goEnv(t, "GOMODCACHE"), env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GOENV=off",
		"GOCACHE=" + goEnv(t, "GOCACHE"), "GOMODCACHE=" + goEnv(t, "GOMODCACHE"), "GOPROXY=" + goEnv(t, "GOPROXY"),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
	}}
	b.must(t, "git init --quiet && git add . && git -c user.name=Test -c user.email=test@example.com commit --quiet --message all")
	commit := strings.TrimSpace(b.must(t, "git rev-parse HEAD"))
	b.give(t)
	if out, err := b.run("git log"); err == nil || !strings.Contains(out, "dubious ownership") {
		t.Fatalf("git works in the folder of another user, so this test shows nothing: %v\n%s", err, out)
	}
	for _, command := range []struct{ line, want string }{
		{"make help", "make up"},
		{"make help | awk 'length > 80 { print; long = 1 } END { print long ? \"too wide\" : \"fits\" }'", "fits"},
		{"make .cache/bin/sandbox && .cache/bin/sandbox --help", "sandbox"},
		{"make --silent stacks BASE=HEAD", "[]"},
		{".cache/bin/sandbox version", commit},
		{"make unit M=services/echo", "ok"},
		{"make unit M=cmd/configuration", "ok"},
		{"make service NAME=greeter && make unit M=services/greeter", "ok"},
	} {
		if out := b.must(t, command.line); !strings.Contains(out, command.want) {
			t.Errorf("`%s` does not print %q:\n%s", command.line, command.want, out)
		}
	}
}

// bare describes a folder and the environment of the commands in it.
type bare struct {
	dir, cache string
	env        []string
}

// run runs a shell line in a mount namespace where the module cache is read-only.
func (b bare) run(line string) (string, error) {
	const setUp = `set -eu; umask 077; mount --make-rprivate /; mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; `
	cmd := exec.Command("sh", "-c", setUp+line, b.cache)
	cmd.Dir, cmd.Env = b.dir, b.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b bare) must(t *testing.T, line string) string {
	t.Helper()
	out, err := b.run(line)
	if err != nil {
		t.Fatalf("`%s`: %v\n%s", line, err, out)
	}
	return out
}

// give gives the folder to another user.
func (b bare) give(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(b.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
