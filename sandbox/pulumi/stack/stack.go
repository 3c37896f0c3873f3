// Package stack drives the real Pulumi CLI on the sandbox's stack: the same
// program and project file as for Google Cloud and Pulumi's own Kubernetes provider,
// with the sandbox's stand-in providers attached, the sandbox's hosts resolved,
// and the state in a folder.
package stack

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/internal/stackfile"
	"example.com/grpc-edge/sandbox/daemon"
	"example.com/grpc-edge/sandbox/tools"
)

// Name is the name of the sandbox's stack.
const Name = "sandbox"

// PolicyPack makes `pulumi preview` and `pulumi up` check the rules of the repository's
// policy pack, as the README advises for a real project.
const PolicyPack = "--policy-pack=policy"

// Stack is the sandbox's stack, or another one that lives in it.
type Stack struct {
	Tools tools.Tools
	State daemon.State
	Info  daemon.Info
	// Of is the stack's name; "" is the sandbox's.
	Of string
	// Dir is the folder of Pulumi.yaml and of what the program builds, such as an
	// earlier commit; "" is the repository's root.
	Dir string
	// Config makes the CLI read and write the config as the user wrote it, instead of the completed one.
	Config bool
}

// For returns the stack that the arguments of Pulumi's CLI name, in the folder that they name.
// `pulumi config` is for the user's file.
func (s Stack) For(args []string) (Stack, error) {
	flags := pflag.NewFlagSet("pulumi", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	flags.StringVarP(&s.Of, "stack", "s", "", "")
	flags.StringVarP(&s.Dir, "cwd", "C", "", "")
	if err := flags.Parse(args); err != nil && !errors.Is(err, pflag.ErrHelp) {
		return s, err
	}
	s.Config = flags.Arg(0) == "config"
	if s.Dir == "" {
		return s, nil
	}
	var err error
	s.Dir, err = filepath.Abs(s.Dir)
	return s, err
}

func (s Stack) name() string { return cmp.Or(s.Of, Name) }
func (s Stack) dir() string  { return cmp.Or(s.Dir, s.Tools.Root) }

// Settings holds what the sandbox reads from Pulumi.sandbox.yaml.
type Settings struct {
	Project, Region string
}

// ReadSettings reads where the sandbox's stack deploys to.
func ReadSettings(root string) (Settings, error) {
	file, err := stackfile.Read(root, Name)
	if err != nil {
		return Settings{}, err
	}
	s := Settings{Project: file.Value("gcp:project"), Region: file.Value("gcp:region")}
	var missing []error
	for key, value := range map[string]string{"gcp:project": s.Project, "gcp:region": s.Region} {
		if value == "" {
			missing = append(missing, fmt.Errorf("%s sets no %s", file.Name(), key))
		}
	}
	return s, errors.Join(missing...)
}

// configFile returns the path of the stack's config as the sandbox completes it. It has
// Pulumi.<stack>.yaml and the digest of the sandbox's Envoy image, unless the file names the
// sandbox's other one. It also has a machine type for nodes that may use the whole machine,
// unless the file names one or GKE chooses.
func (s Stack) configFile() string { return filepath.Join(s.State.Dir, stackfile.Name(s.name())) }

// Keys that are completed.
const (
	envoyKey   = "grpc-edge:envoyDigest"
	machineKey = "grpc-edge:nodeMachineType"
	modeKey    = "grpc-edge:clusterMode"
)

// wholeMachine is a machine type with more CPUs than nodes of the sandbox get. With a smaller
// type, nodes reserve the CPU that it would not offer.
const wholeMachine = "e2-standard-32"

// Prepare writes the config and creates the stack if it does not exist yet. It removes
// a lock that a killed run left behind if only this process uses the stack. Otherwise the
// lock may be that of a running Pulumi, and another Pulumi refuses to change anything.
func (s Stack) Prepare(ctx context.Context) error {
	alone, err := s.alone()
	if err != nil {
		return err
	}
	own, err := stackfile.Read(s.dir(), s.name()) // as the user wrote it
	if err != nil {
		return err
	}
	config := own.Config()
	if digest, _ := config[envoyKey].(string); digest == "" || digest != s.Info.NextEnvoyDigest {
		config[envoyKey] = s.Info.EnvoyDigest
	}
	if config[machineKey] == nil && config[modeKey] != "autopilot" {
		config[machineKey] = wholeMachine
	}
	settings := own.Settings()
	settings[stackfile.Config] = config
	if err := s.writeConfig(settings); err != nil {
		return err
	}
	if err := s.passphrase(); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(s.backend(), 0o700), os.MkdirAll(s.temporary(), 0o700)); err != nil {
		return err
	}
	if !s.Exists() { // saves a start of the CLI
		if _, err := s.Output(ctx, "stack", "select", "--create", "--stack", s.name()); err != nil {
			return err
		}
	}
	// The folder of locks stays when there are none.
	locks, err := filepath.Glob(filepath.Join(s.backend(), ".pulumi", "locks", "organization", "grpc-edge", s.name(), "*.json"))
	if err == nil && len(locks) > 0 && alone {
		_, err = s.Output(ctx, "cancel", "--yes", "--stack", s.name())
	}
	return err
}

// saltKey is the key of the salt with which Pulumi encrypts a stack's secrets.
const saltKey = "encryptionsalt"

// writeConfig writes the completed file of the stack. The salt that Pulumi wrote there stays,
// unless the user's file has one.
func (s Stack) writeConfig(settings map[string]any) error {
	before, err := stackfile.Read(s.State.Dir, s.name())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("completing the config in %s: %w", s.State.Dir, err)
	case before.Setting(saltKey) != "" && settings[saltKey] == nil:
		settings[saltKey] = before.Setting(saltKey)
	}
	text, err := yaml.Marshal(settings)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(s.configFile()); err == nil && bytes.Equal(old, text) {
		return nil // another command may be reading it
	}
	return os.WriteFile(s.configFile(), text, 0o600)
}

func (s Stack) backend() string { return filepath.Join(s.State.Dir, "pulumi") }
func (s Stack) passphraseFile() string {
	return filepath.Join(s.State.Dir, "credentials", "passphrase")
}

// keptPassphraseFile returns the path of the passphrase. It outlives the sandbox, because the
// secrets that it encrypts in Pulumi.sandbox.yaml do.
func (s Stack) keptPassphraseFile() string { return filepath.Join(s.Tools.Cache, "passphrase") }

// passphrase gives the stack a passphrase if it has none: the one of an earlier sandbox of
// this checkout, or a new one.
func (s Stack) passphrase() error {
	if _, err := os.Stat(s.passphraseFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	passphrase, err := os.ReadFile(s.keptPassphraseFile())
	if errors.Is(err, fs.ErrNotExist) {
		random := make([]byte, 24)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		passphrase = []byte(hex.EncodeToString(random))
		err = os.WriteFile(s.keptPassphraseFile(), passphrase, 0o600)
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.passphraseFile()), 0o700); err != nil {
		return err
	}
	return os.WriteFile(s.passphraseFile(), passphrase, 0o600)
}

// Exists reports whether the stack was ever created.
func (s Stack) Exists() bool {
	_, err := os.Stat(filepath.Join(s.backend(), ".pulumi", "stacks", "grpc-edge", s.name()+".json"))
	return err == nil
}

// temporary returns the folder of Pulumi's temporary files. It goes with the sandbox.
func (s Stack) temporary() string { return filepath.Join(s.State.Dir, "tmp") }

// Env returns the environment in which the plain Pulumi CLI works on the stack.
func (s Stack) Env() []string {
	var attach []string
	for name, port := range s.Info.Providers {
		attach = append(attach, fmt.Sprintf("%s:%d", name, port))
	}
	slices.Sort(attach)
	return append(os.Environ(),
		"PATH="+filepath.Dir(s.Tools.Bin("pulumi"))+":"+os.Getenv("PATH"),
		"PULUMI_DEBUG_PROVIDERS="+strings.Join(attach, ","),
		"PULUMI_BACKEND_URL=file://"+s.backend(),
		"PULUMI_STACK="+s.name(), // for commands that name none
		"PULUMI_HOME="+s.Tools.PulumiHome(),
		"PULUMI_CONFIG_PASSPHRASE_FILE="+s.passphraseFile(),
		"PULUMI_SKIP_UPDATE_CHECK=true",
		// The providers are attached or installed. Pulumi would try five times to download the
		// plugins of those that are attached.
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
		// This stands for EnablePatchForce in infra, which this version of the provider lacks.
		"PULUMI_K8S_ENABLE_PATCH_FORCE=true",
		"SSL_CERT_FILE="+s.State.TrustFile(),
		// The Kubernetes provider writes a kubeconfig at each start and does not remove it
		// (writeKubeconfigToFile in its util.go).
		"TMPDIR="+s.temporary(),
	)
}

// stopGrace is the time that Pulumi may take to finish the operations in flight after Ctrl-C.
const stopGrace = 3 * time.Minute

// Command returns the Pulumi CLI with arguments, to be run in the sandbox's view
// of the machine: Google's hosts resolve to it, and the stack's config file is the
// completed one, to which Pulumi may write. When ctx ends it is asked once to stop, and then
// finishes what it is doing, so that the state is always right.
func (s Stack) Command(ctx context.Context, args ...string) *exec.Cmd {
	slog.Debug("running", "command", append([]string{"pulumi"}, args...))
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{EnterName, s.hostsFile(), "/etc/hosts"}
	if !s.Config {
		cmd.Args = append(cmd.Args, s.configFile(), filepath.Join(s.dir(), stackfile.Name(s.name())))
	}
	cmd.Args = append(append(cmd.Args, "--", s.Tools.Bin("pulumi"), "--cwd", s.dir(), "--non-interactive"), args...)
	cmd.Env = s.Env()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS,
		Setpgid:    true, // the terminal's Ctrl-C reaches this process only, which passes it on once
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	return cmd
}

// Run runs the CLI with its output on out, and on standard error where debug messages are logged.
func (s Stack) Run(ctx context.Context, out io.Writer, args ...string) error {
	cmd := s.Command(ctx, args...)
	if slog.Default().Enabled(ctx, slog.LevelDebug) {
		out = io.MultiWriter(out, os.Stderr)
	}
	cmd.Stdout, cmd.Stderr = out, out // the same one, so that it is written to by one goroutine
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running `pulumi %s`: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Output runs the CLI and returns what it printed.
func (s Stack) Output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := s.Command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil { // the whole command line would show how the sandbox starts the CLI
		return nil, fmt.Errorf("running `pulumi %s`: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.Bytes(), nil
}

// Outputs are the stack's outputs, secrets included.
func (s Stack) Outputs(ctx context.Context) (map[string]any, error) {
	text, err := s.Output(ctx, "stack", "output", "--json", "--show-secrets", "--stack", s.name())
	if err != nil {
		return nil, err
	}
	outputs := map[string]any{}
	return outputs, json.Unmarshal(text, &outputs)
}
