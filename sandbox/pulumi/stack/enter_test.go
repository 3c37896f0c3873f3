package stack

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/grpc-edge/sandbox/filetest"
)

// TestCommandRunsInTheSandboxsView runs a CLI that looks around and writes to its config.
func TestCommandRunsInTheSandboxsView(t *testing.T) {
	t.Parallel()
	s := newStack(t, `cat /etc/hosts "$2/Pulumi.sandbox.yaml"; echo "salt: 1" >> "$2/Pulumi.sandbox.yaml"; echo "arguments: $*"`)
	filetest.Write(t, s.configFile(), "completed: true\n")
	own := filetest.Read(t, "/etc/hosts")
	out, err := s.Output(t.Context(), "preview", "--json")
	if err != nil {
		t.Fatal(err)
	}
	const hosts = "us-central1-docker.pkg.dev cloudkms.googleapis.com secretmanager.googleapis.com binaryauthorization.googleapis.com " +
		"artifactregistry.googleapis.com cloudbuild.googleapis.com cloudresourcemanager.googleapis.com compute.googleapis.com " +
		"container.googleapis.com containeranalysis.googleapis.com dns.googleapis.com iam.googleapis.com monitoring.googleapis.com privateca.googleapis.com"
	want := own + "\n198.51.100.1 " + hosts + "\n" + "completed: true\n" + "arguments: --cwd " + s.Tools.Root + " --non-interactive preview --json\n"
	if string(out) != want {
		t.Errorf("the CLI wrote\n%s\nwant\n%s", out, want)
	}
	if filetest.Read(t, "/etc/hosts") != own {
		t.Error("the machine's hosts file changed")
	}
	if got := filetest.Read(t, filepath.Join(s.Tools.Root, "Pulumi.sandbox.yaml")); got != settings {
		t.Errorf("the user's config changed:\n%s", got)
	}
	if got := filetest.Read(t, s.configFile()); got != "completed: true\nsalt: 1\n" {
		t.Errorf("what the CLI wrote to its config is lost:\n%s", got)
	}
	mounts := filetest.Read(t, "/proc/self/mountinfo")
	if strings.Contains(mounts, s.Tools.Root) {
		t.Error("a mount is left on the machine")
	}
}

// TestCommandStopsGently ends the context of a CLI that finishes its work first.
func TestCommandStopsGently(t *testing.T) {
	t.Parallel()
	s := newStack(t, `trap 'echo finished; exit 0' INT; echo started > "$PULUMI_HOME.started"; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if text, err := os.ReadFile(s.Tools.Cache + "/pulumi.started"); err == nil && len(text) > 0 {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	cmd := s.Command(ctx, "up")
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Run(); ctx.Err() != context.Canceled || out.String() != "finished\n" {
		t.Errorf("the CLI wrote %q (%v, %v), want that it finished", out.String(), err, ctx.Err())
	}
}

func TestEnterTellsWhatFailed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	filetest.Write(t, file, "text")
	tests := map[string]struct {
		args []string
		want string
	}{
		"no file":       {[]string{"/nowhere", file, "--", "/bin/true"}, "mounting /nowhere over " + file + ": no such file or directory"},
		"no target":     {[]string{file, "/nowhere", "--", "/bin/true"}, "mounting " + file + " over /nowhere: no such file or directory"},
		"no program":    {[]string{"--", "/nowhere", "argument"}, "running /nowhere argument: no such file or directory"},
		"nothing wrong": {[]string{file, file, "--", "/bin/echo", "done"}, "done"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := &exec.Cmd{
				Path: "/proc/self/exe", Args: append([]string{EnterName}, test.args...),
				SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS},
			}
			out, err := cmd.CombinedOutput()
			if (err == nil) != (test.want == "done") || !strings.Contains(string(out), test.want) {
				t.Errorf("got %q (%v), want %q", out, err, test.want)
			}
		})
	}
}
