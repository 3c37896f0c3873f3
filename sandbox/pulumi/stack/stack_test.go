package stack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/sandbox/daemon"
	"example.com/grpc-edge/sandbox/filetest"
	"example.com/grpc-edge/sandbox/tools"
)

// TestMain lets the test binary be the program through which the stack runs the CLI.
func TestMain(m *testing.M) {
	if os.Args[0] == EnterName {
		fmt.Fprintln(os.Stderr, "error:", Enter(os.Args[1:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const settings = `config:
  gcp:project: demo
  gcp:region: us-central1
  grpc-edge:nodeCount: 2
`

// newStack returns a stack whose Pulumi CLI is a shell script.
func newStack(t *testing.T, script string) Stack {
	t.Helper()
	root := t.TempDir()
	s := Stack{Tools: tools.In(root), State: daemon.State{Dir: filepath.Join(root, ".sandbox")}, Info: daemon.Info{
		EnvoyDigest: "sha256:1234", Providers: map[string]int{"gcp": 4001, "tls": 4003},
	}}
	filetest.Write(t, filepath.Join(root, "Pulumi.sandbox.yaml"), settings)
	filetest.Write(t, s.Tools.Bin("pulumi"), "#!/bin/sh\n"+script)
	filetest.Write(t, s.configFile(), "")
	if err := s.WriteHosts("us-central1"); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReadSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config string
		want   Settings
		errs   []string
	}{
		"whole":      {settings, Settings{Project: "demo", Region: "us-central1"}, nil},
		"no project": {"config: {'gcp:region': us-central1}", Settings{Region: "us-central1"}, []string{"Pulumi.sandbox.yaml sets no gcp:project"}},
		"no region":  {"config: {'gcp:project': demo}", Settings{Project: "demo"}, []string{"Pulumi.sandbox.yaml sets no gcp:region"}},
		"neither":    {"config: {}", Settings{}, []string{"sets no gcp:project", "sets no gcp:region"}},
		"empty":      {"", Settings{}, []string{"sets no gcp:project", "sets no gcp:region"}},
		"no YAML":    {"config: [", Settings{}, []string{"reading Pulumi.sandbox.yaml"}},
		"no file":    {"-", Settings{}, []string{"no file Pulumi.sandbox.yaml"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if test.config != "-" {
				filetest.Write(t, filepath.Join(root, "Pulumi.sandbox.yaml"), test.config)
			}
			got, err := ReadSettings(root)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the settings differ (-want +got):\n%s", diff)
			}
			if len(test.errs) == 0 && err != nil {
				t.Errorf("got %v", err)
			}
			for _, want := range test.errs {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

func TestPrepareTakesAnEnvoyThatThereIs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ configured, next, want string }{
		"none":                 {"", "sha256:5678", "sha256:1234"},
		"the next":             {"sha256:5678", "sha256:5678", "sha256:5678"},
		"one of Docker Hub":    {"sha256:9999", "sha256:5678", "sha256:1234"},
		"one, but no other is": {"sha256:5678", "", "sha256:1234"},
		"none, and no other":   {"", "", "sha256:1234"},
	} {
		s := newStack(t, "")
		s.Info.NextEnvoyDigest = test.next
		if test.configured != "" {
			filetest.Write(t, filepath.Join(s.Tools.Root, "Pulumi.sandbox.yaml"), settings+"  grpc-edge:envoyDigest: "+test.configured+"\n")
		}
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := filetest.Read(t, s.configFile()); !strings.Contains(got, "grpc-edge:envoyDigest: "+test.want+"\n") {
			t.Errorf("%s: the config is\n%s, want %s", name, got, test.want)
		}
	}
}

func TestPrepare(t *testing.T) {
	t.Parallel()
	s := newStack(t, `echo "$@" >> "$PULUMI_HOME.calls"`)
	calls := s.Tools.Cache + "/pulumi.calls"
	// What Pulumi wrote stays; what the user changed comes.
	filetest.Write(t, s.configFile(), "encryptionsalt: v1:salt\nconfig:\n  grpc-edge:nodeCount: 1\n  grpc-edge:gone: true\n")
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal([]byte(filetest.Read(t, s.configFile())), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"encryptionsalt": "v1:salt", "config": map[string]any{
		"gcp:project": "demo", "gcp:region": "us-central1", "grpc-edge:nodeCount": 2.0, "grpc-edge:envoyDigest": "sha256:1234", "grpc-edge:nodeMachineType": wholeMachine,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the config differs (-want +got):\n%s", diff)
	}
	if own := filetest.Read(t, filepath.Join(s.Tools.Root, "Pulumi.sandbox.yaml")); own != settings {
		t.Errorf("the user's file was changed:\n%s", own)
	}
	passphrase := filetest.Read(t, s.passphraseFile())
	info, err := os.Stat(s.passphraseFile())
	if err != nil || info.Mode().Perm() != 0o600 || len(passphrase) != 48 {
		t.Errorf("the passphrase has %d digits and mode %v (%v), want 48 and 0600", len(passphrase), info.Mode(), err)
	}
	cli := "--cwd " + s.Tools.Root + " --non-interactive "
	if diff := cmp.Diff(cli+"stack select --create --stack sandbox\n", filetest.Read(t, calls)); diff != "" {
		t.Errorf("the calls of Pulumi differ (-want +got):\n%s", diff)
	}
	// A killed run leaves its lock.
	filetest.Write(t, filepath.Join(s.backend(), ".pulumi/locks/organization/grpc-edge/sandbox/1.json"), "{}")
	filetest.Write(t, calls, "")
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cli+"stack select --create --stack sandbox\n"+cli+"cancel --yes --stack sandbox\n", filetest.Read(t, calls)); diff != "" {
		t.Errorf("the calls of Pulumi differ (-want +got):\n%s", diff)
	}
	// That of another command at work is not touched.
	other, err := os.OpenFile(filepath.Join(s.State.Dir, "pulumi.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	filetest.Write(t, calls, "")
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cli+"stack select --create --stack sandbox\n", filetest.Read(t, calls)); diff != "" {
		t.Errorf("beside another command, the calls of Pulumi differ (-want +got):\n%s", diff)
	}
	// An existing stack is not created again, and no lock is removed if there is none.
	if err := os.Remove(filepath.Join(s.backend(), ".pulumi/locks/organization/grpc-edge/sandbox/1.json")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	filetest.Write(t, filepath.Join(s.backend(), ".pulumi/stacks/grpc-edge/sandbox.json"), "{}")
	filetest.Write(t, calls, "")
	if err := s.Prepare(t.Context()); err != nil || filetest.Read(t, calls) != "" {
		t.Errorf("for a stack that there is, Pulumi was called (%v):\n%s", err, filetest.Read(t, calls))
	}
	if filetest.Read(t, s.passphraseFile()) != passphrase {
		t.Error("the passphrase was changed, and what it encrypts is lost")
	}
}

// TestSecretsOutliveTheSandbox sets a secret as a user does, and removes the sandbox.
func TestSecretsOutliveTheSandbox(t *testing.T) {
	t.Parallel()
	s := newStack(t, `[ "$4" = config ] || exit 0; echo "encryptionsalt: v1:mine" >> "$2/Pulumi.sandbox.yaml"; cat "$2/Pulumi.sandbox.yaml"`)
	filetest.Write(t, s.configFile(), "encryptionsalt: v1:before\n")
	own, err := s.For([]string{"config", "set", "--secret", "key", "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := own.Output(t.Context(), "config", "set", "--secret", "key", "x"); err != nil || string(out) != settings+"encryptionsalt: v1:mine\n" {
		t.Errorf("the CLI saw %q (%v), want the user's file", out, err)
	}
	passphrase := filetest.Read(t, s.passphraseFile())
	for _, removed := range []bool{false, true} {
		if removed {
			if err := os.RemoveAll(s.State.Dir); err != nil {
				t.Fatal(err)
			}
			filetest.Write(t, s.configFile(), "")
			if err := s.WriteHosts("us-central1"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := filetest.Read(t, s.configFile()); !strings.Contains(got, "encryptionsalt: v1:mine\n") {
			t.Errorf("removed %t: the completed config has not the user's salt:\n%s", removed, got)
		}
		if filetest.Read(t, s.passphraseFile()) != passphrase {
			t.Errorf("removed %t: the passphrase is another one", removed)
		}
	}
}

// TestFor finds the stack and the folder among all that Pulumi's CLI is told.
func TestFor(t *testing.T) {
	t.Parallel()
	s := newStack(t, `cat "$2/Pulumi.review-7.yaml"; echo "arguments: $*"`)
	other := t.TempDir()
	filetest.Write(t, filepath.Join(other, "Pulumi.review-7.yaml"), settings)
	tests := map[string]struct {
		args      []string
		name, dir string
	}{
		"nothing":       {[]string{"stack", "ls"}, "sandbox", s.Tools.Root},
		"long":          {[]string{"up", "--yes", "--save-plan", "f", "--stack", "review-7", "--cwd", other}, "review-7", other},
		"with a sign":   {[]string{"up", "--stack=review-7", "--cwd=" + other, "--yes"}, "review-7", other},
		"short":         {[]string{"-C", other, "up", "-y", "-s", "review-7"}, "review-7", other},
		"a config flag": {[]string{"up", "-c", "grpc-edge:nodeCount=3", "--stack", "dev"}, "dev", s.Tools.Root},
		"of config":     {[]string{"config", "set", "up", "x", "-s", "dev"}, "dev", s.Tools.Root},
		"help":          {[]string{"up", "--help"}, "sandbox", s.Tools.Root},
	}
	for name, test := range tests {
		got, err := s.For(test.args)
		if err != nil || got.name() != test.name || got.dir() != test.dir {
			t.Errorf("%s: got %s in %s (%v), want %s in %s", name, got.name(), got.dir(), err, test.name, test.dir)
		}
	}
	if _, err := s.For([]string{"up", "--stack"}); err == nil {
		t.Error("a flag without its value was taken")
	}
	review, err := s.For(tests["long"].args)
	if err != nil {
		t.Fatal(err)
	}
	if err := review.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := review.Output(t.Context(), "up")
	if err != nil || !strings.Contains(string(out), "grpc-edge:envoyDigest: sha256:1234") || !strings.Contains(string(out), "arguments: --cwd "+other+" ") {
		t.Errorf("the CLI wrote %q (%v), want the completed config, and the folder", out, err)
	}
}

func TestPrepareFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(Stack)
		want   string
	}{
		"no config":     {func(s Stack) { _ = os.Remove(filepath.Join(s.Tools.Root, "Pulumi.sandbox.yaml")) }, "no file Pulumi.sandbox.yaml"},
		"empty config":  {func(s Stack) { filetest.Write(t, filepath.Join(s.Tools.Root, "Pulumi.sandbox.yaml"), "") }, "broken"},
		"broken config": {func(s Stack) { filetest.Write(t, s.configFile(), "[") }, "completing the config in /"},
		"Pulumi fails":  {func(Stack) {}, "running `pulumi stack select --create --stack sandbox`: exit status 3\nbroken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, "echo broken >&2; exit 3")
			test.change(s)
			if err := s.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestExists(t *testing.T) {
	t.Parallel()
	s := newStack(t, "")
	if s.Exists() {
		t.Error("a stack that was never deployed exists")
	}
	filetest.Write(t, filepath.Join(s.backend(), ".pulumi/stacks/grpc-edge/sandbox.json"), "{}")
	if !s.Exists() {
		t.Error("a stack with a checkpoint does not exist")
	}
}

func TestEnv(t *testing.T) {
	t.Parallel()
	s := newStack(t, "")
	cmd := &exec.Cmd{Env: s.Env()} // of a name that is set twice, programs get the last
	root := s.Tools.Root
	for _, want := range []string{
		"PATH=" + root + "/.cache/bin:" + os.Getenv("PATH"),
		"PULUMI_DEBUG_PROVIDERS=gcp:4001,tls:4003",
		"PULUMI_BACKEND_URL=file://" + root + "/.sandbox/pulumi",
		"PULUMI_HOME=" + root + "/.cache/pulumi",
		"PULUMI_CONFIG_PASSPHRASE_FILE=" + root + "/.sandbox/credentials/passphrase",
		"PULUMI_STACK=sandbox",
		"PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
		"PULUMI_K8S_ENABLE_PATCH_FORCE=true",
		"SSL_CERT_FILE=" + root + "/.sandbox/trust.pem",
		"TMPDIR=" + root + "/.sandbox/tmp",
	} {
		if !slices.Contains(cmd.Environ(), want) {
			t.Errorf("the environment has no %s", want)
		}
	}
}

func TestOutputsAndRun(t *testing.T) {
	t.Parallel()
	s := newStack(t, `shift 3
case "$*" in
"stack output --json --show-secrets --stack sandbox") echo '{"address": "198.51.100.10"}'; echo warning >&2;;
up) echo progress; echo trouble >&2;;
*) echo "unknown $*" >&2; exit 255;;
esac`)
	outputs, err := s.Outputs(t.Context())
	if diff := cmp.Diff(map[string]any{"address": "198.51.100.10"}, outputs); err != nil || diff != "" {
		t.Errorf("the outputs differ (%v; -want +got):\n%s", err, diff)
	}
	var out bytes.Buffer
	if err := s.Run(t.Context(), &out, "up"); err != nil || !strings.Contains(out.String(), "progress\n") || !strings.Contains(out.String(), "trouble\n") {
		t.Errorf("got %q (%v), want everything that was written", out.String(), err)
	}
	err = s.Run(t.Context(), &out, "down")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 255 || !strings.Contains(err.Error(), "running `pulumi down`") {
		t.Errorf("got %v, want the CLI's exit status", err)
	}
}
