package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/internal/selfsigned"
	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/internal/workcopy"
	"example.com/grpc-edge/measure/machine"
)

// deployer lists accidents of the person who runs Pulumi. Each check changes the
// percentage of the alerts, which touches no pod. Each ends with a complete `make up` and
// an empty preview.
var deployer = []Event{
	{Key: "engine-killed", Title: "The engine is killed (kill -9) while `make up` runs", Want: "the next `make up` continues, and a preview shows no change", Do: engineKilled},
	{Key: "asleep", Title: "The laptop sleeps for a minute while `make up` runs", Want: "it succeeds, or it says why not and the next one succeeds", Do: asleep},
	{Key: "two-ups", Title: "Two people run `make up` at once", Want: "one is told that the stack is locked, the other succeeds", Do: twoUps},
	{Key: "state-truncated", Title: "The state file is cut in half", Want: "refused with one message; the backup beside it restores it", Do: stateTruncated},
	{Key: "wrong-passphrase", Title: "The passphrase is wrong", Want: "refused with one message, and the state is unchanged", Do: wrongPassphrase},
	{Key: "wrong-certificate", Title: "A provided certificate has the wrong key, has expired, is for another name, or is not a certificate", Want: "each is refused with the reason, before anything is changed", Do: wrongCertificates},
}

// alert gives the next `make up` something to change: the percentage at which an alert
// opens.
func (s *Sandbox) alert() error {
	return s.configure(map[string]string{"alertErrorPercent": fmt.Sprint(5 + time.Now().Unix()%40)})
}

// whole runs `make up`, and checks that a preview shows no changes.
func (s *Sandbox) whole(ctx context.Context) error {
	if err := s.up(ctx); err != nil {
		return err
	}
	_, err := s.pulumi(ctx, "preview", "--expect-no-changes", "--diff", "--stack", "sandbox")
	return err
}

// background starts `make up`, and waits until its engine holds the lock.
func (s *Sandbox) background(ctx context.Context) (up *exec.Cmd, engine []process, err error) {
	if err := s.alert(); err != nil {
		return nil, nil, err
	}
	up = exec.CommandContext(ctx, "make", "up")
	up.Dir, up.Env, up.Stdout, up.Stderr = s.Dir, workcopy.Environment(s.Dir), s.Log, s.Log
	if err := up.Start(); err != nil {
		return nil, nil, err
	}
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(20 * time.Millisecond) {
		for _, p := range machine.Processes() {
			args := p.Args()
			if len(args) < 5 || args[0] != filepath.Join(s.Dir, ".cache/bin/pulumi") || args[4] != "up" {
				continue
			}
			// The lock file shows that the engine has begun.
			if locks, _ := filepath.Glob(filepath.Join(s.Dir, ".sandbox/pulumi/.pulumi/locks/organization/grpc-edge/sandbox/*")); len(locks) > 0 {
				engine, err := tree(int(p))
				return up, engine, err
			}
		}
	}
	return up, nil, errors.Join(errors.New("`make up` did not get to running Pulumi"), up.Process.Signal(os.Interrupt), up.Wait())
}

func engineKilled(ctx context.Context, s *Sandbox) error {
	up, engine, err := s.background(ctx)
	if err != nil {
		return err
	}
	for _, p := range engine { // one of them may have ended by itself
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	if err := up.Wait(); err == nil {
		return errors.New("`make up` succeeded although its engine was killed")
	}
	return s.whole(ctx)
}

// asleep pauses the engine and its programs for a minute. In contrast to a laptop that
// sleeps, the rest of the machine runs on, so Pulumi may hit timeouts when it resumes.
func asleep(ctx context.Context, s *Sandbox) error {
	up, engine, err := s.background(ctx)
	if err != nil {
		return err
	}
	resume, err := pause(engine, 2*time.Minute)
	if err == nil {
		err = errors.Join(wait.For(ctx, time.Minute), resume())
	}
	if ended := up.Wait(); ended != nil {
		fmt.Fprintf(s.Log, "`make up` was late: %v\n", ended)
	}
	return errors.Join(err, s.whole(ctx))
}

// twoUps pauses the first run while it holds the lock, so that the second finds the stack
// locked.
func twoUps(ctx context.Context, s *Sandbox) error {
	first, engine, err := s.background(ctx)
	if err != nil {
		return err
	}
	resume, err := pause(engine, 2*time.Minute)
	if err == nil {
		err = errors.Join(s.refused(ctx, "the stack is currently locked"), resume())
	}
	if ended := first.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("the first one: %w", ended))
	}
	return errors.Join(err, s.whole(ctx))
}

func (s *Sandbox) stateFile() string {
	return filepath.Join(s.Dir, ".sandbox/pulumi/.pulumi/stacks/grpc-edge/sandbox.json")
}

// broken replaces the content of a file, runs do, and restores the file.
func (s *Sandbox) broken(file string, content []byte, do func() error) (err error) {
	whole, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.WriteFile(file, whole, 0o600)) }()
	return do()
}

// ciphertext matches a secret in a state. Each write of the state encrypts it with another
// nonce.
var ciphertext = regexp.MustCompile(`"ciphertext":\s*"[^"]*"`)

// resources returns the resources and pending operations of the state, without secrets.
// If the state does not unmarshal, it returns the whole file. Other parts of the state,
// such as its time, change with each run.
func (s *Sandbox) resources() (string, error) {
	text, err := os.ReadFile(s.stateFile())
	if err != nil {
		return "", err
	}
	var state struct {
		Checkpoint struct {
			Latest struct {
				Resources  json.RawMessage
				Operations json.RawMessage `json:"pending_operations"`
			}
		}
	}
	if json.Unmarshal(text, &state) != nil {
		return string(text), nil
	}
	latest := state.Checkpoint.Latest
	return ciphertext.ReplaceAllString(string(latest.Resources)+string(latest.Operations), ""), nil
}

// refused expects `make up` to fail with exactly one message that contains words, without
// a stack trace. The resources must not change.
func (s *Sandbox) refused(ctx context.Context, words string) error {
	before, err := s.resources()
	if err != nil {
		return err
	}
	out, err := s.run(ctx, "sh", "-c", "make up 2>&1")
	if err == nil {
		return errors.New("`make up` succeeded")
	}
	if n := strings.Count(out, words); n != 1 || strings.Contains(out, "goroutine ") {
		return fmt.Errorf("`make up` reports %q %d times: %w", words, n, err)
	}
	after, err := s.resources()
	if err == nil && before != after {
		err = errors.New("the state was changed")
	}
	return err
}

func stateTruncated(ctx context.Context, s *Sandbox) error {
	whole, err := os.ReadFile(s.stateFile())
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.stateFile(), whole[:len(whole)/2], 0o600); err != nil {
		return err
	}
	if err := s.refused(ctx, "unexpected end of JSON input"); err != nil {
		return errors.Join(err, os.WriteFile(s.stateFile(), whole, 0o600))
	}
	// The backup beside the file is the previous state (docs/operations.md).
	backup, err := os.ReadFile(s.stateFile() + ".bak")
	if err != nil {
		return errors.Join(err, os.WriteFile(s.stateFile(), whole, 0o600))
	}
	if err := os.WriteFile(s.stateFile(), backup, 0o600); err != nil {
		return err
	}
	return s.whole(ctx)
}

func wrongPassphrase(ctx context.Context, s *Sandbox) error {
	before, err := os.ReadFile(s.stateFile())
	if err != nil {
		return err
	}
	err = s.broken(filepath.Join(s.Dir, ".sandbox/credentials/passphrase"), []byte("another"), func() error {
		return s.refused(ctx, "incorrect passphrase")
	})
	after, readErr := os.ReadFile(s.stateFile())
	if string(before) != string(after) {
		err = errors.Join(err, errors.New("the state file was written"))
	}
	return errors.Join(err, readErr, s.whole(ctx))
}

// wrongCertificates provides wrong certificates one by one, and checks each message.
func wrongCertificates(ctx context.Context, s *Sandbox) error {
	authority := s.Target.TLS.ServerName
	day := time.Now().Add(24 * time.Hour)
	var errs []error
	for _, wrong := range []struct {
		name    string
		until   time.Time
		another bool // the key is that of another certificate
		said    string
	}{
		{authority, day, true, "grpc-edge:certificateKeyPem must be the private key of the first certificate in grpc-edge:certificatePem"},
		{authority, time.Now().Add(-time.Hour), false, "grpc-edge:certificatePem expired on"},
		{"other.example.org", day, false, "grpc-edge:certificatePem is for other.example.org, not for " + authority + " of grpc-edge:authorities"},
	} {
		chain, key, err := selfsigned.New(wrong.name, wrong.until.Add(-48*time.Hour), wrong.until)
		if wrong.another && err == nil {
			_, key, err = selfsigned.New(wrong.name, wrong.until.Add(-48*time.Hour), wrong.until)
		}
		if err == nil {
			err = s.provide(ctx, chain, key)
		}
		if err == nil {
			err = s.refused(ctx, wrong.said)
		}
		errs = append(errs, err)
	}
	if err := s.configure(map[string]string{"certificate": "provided", "certificatePem": `"none"`, "certificateKeyPem": ""}); err != nil {
		return err
	}
	errs = append(errs, s.refused(ctx, "grpc-edge:certificatePem must be a PEM certificate chain"),
		s.configure(map[string]string{"certificate": "", "certificatePem": ""}), s.whole(ctx))
	return errors.Join(errs...)
}

// provide configures a certificate and its key, which Pulumi encrypts.
func (s *Sandbox) provide(ctx context.Context, chain, key string) error {
	if _, err := s.run(ctx, "sh", "-c", "printf '%s' \"$0\" | .cache/bin/sandbox pulumi -- config set --stack sandbox --secret certificateKeyPem", key); err != nil {
		return err
	}
	return s.configure(map[string]string{"certificate": "provided", "certificatePem": strconv.Quote(chain)})
}

// KillEngine kills (kill -9) the Pulumi process that a command has started.
func KillEngine(command int) error {
	all, err := tree(command)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.program() == "pulumi" {
			return syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	return errors.New("the command runs no Pulumi")
}
