package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serveState names the state folder in the environment of a daemon that TestMain plays.
const serveState = "DAEMON_TEST_STATE"

// TestMain lets the test binary be the daemon, as the sandbox also starts its daemon from its own
// binary.
func TestMain(m *testing.M) {
	if dir := os.Getenv(serveState); dir != "" {
		if err := playDaemon(State{Dir: dir}); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// playDaemon holds the lock and prints who it is, until it is told to end.
func playDaemon(s State) error {
	if len(os.Args) != 2 || os.Args[1] != "serve" {
		return fmt.Errorf("got arguments %v, want serve", os.Args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	lock, err := s.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := s.writeInfo(Info{PID: os.Getpid(), Program: program()}); err != nil {
		return err
	}
	<-ctx.Done()
	return os.Remove(s.infoFile())
}

func TestLock(t *testing.T) {
	t.Parallel()
	s := State{Dir: filepath.Join(t.TempDir(), "state")}
	if s.Exists() || s.Running() {
		t.Error("a state folder that is not there exists or runs")
	}
	if s.Exists() {
		t.Error("asking made the state folder")
	}
	lock, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if !s.Exists() || !s.Running() {
		t.Error("a locked state folder does not exist or run")
	}
	if _, err := s.Lock(); !errors.Is(err, errRunning) {
		t.Errorf("locking again gave %v, want %v", err, errRunning)
	}
	if pid, err := s.daemonPID(); err != nil || pid != os.Getpid() {
		t.Errorf("the lock's holder is %d (%v), want %d", pid, err, os.Getpid())
	}
	lock.Close()
	if s.Running() {
		t.Error("runs after it was unlocked")
	}
	wantMode(t, s.Dir, 0o700)
}

func TestInfo(t *testing.T) {
	t.Parallel()
	told := Info{PID: os.Getpid(), Program: "1-2", Providers: map[string]int{"gcp": 4000}, EnvoyDigest: "sha256:1", ImageSizes: map[string]int64{"envoy": 5}}
	stale := told
	stale.PID++
	tests := map[string]struct {
		info   *Info
		text   string // instead of info
		locked bool
		ok     bool
		err    string
	}{
		"serving":                 {info: &told, locked: true, ok: true},
		"starting":                {locked: true},
		"left by a killed daemon": {info: &told},
		"left by a killed daemon while another starts": {info: &stale, locked: true},
		"broken":                        {text: "{", locked: true, err: "daemon.json"},
		"broken, of no running sandbox": {text: "{"},
		"nothing":                       {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := State{Dir: t.TempDir()}
			if test.info != nil {
				if err := s.writeInfo(*test.info); err != nil {
					t.Fatal(err)
				}
				wantMode(t, s.infoFile(), 0o600)
			}
			if test.text != "" {
				if err := os.WriteFile(s.infoFile(), []byte(test.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if test.locked {
				lock, err := s.Lock()
				if err != nil {
					t.Fatal(err)
				}
				defer lock.Close()
			}
			info, ok, err := s.Info()
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got error %v, want %q", err, test.err)
			}
			if ok != test.ok {
				t.Errorf("got ok %t, want %t", ok, test.ok)
			}
			if diff := cmp.Diff(told, info); ok && diff != "" {
				t.Errorf("the info differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStartAndStop sets the environment, so it can't run beside others.
func TestStartAndStop(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := State{Dir: t.TempDir()}
	t.Setenv(serveState, s.Dir)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Start(ctx, self)
	if err != nil {
		t.Fatal(err)
	}
	if first.PID == os.Getpid() || first.Program != program() {
		t.Errorf("started %+v, want a process of this program", first)
	}
	again, err := s.Start(ctx, self)
	if err != nil || again.PID != first.PID {
		t.Errorf("starting again gave process %d (%v), want %d, which runs", again.PID, err, first.PID)
	}
	older := first
	older.Program = "an older build"
	if err := s.writeInfo(older); err != nil {
		t.Fatal(err)
	}
	next, err := s.Start(ctx, self)
	if err != nil || next.PID == first.PID || next.Program != program() {
		t.Errorf("starting another build gave %+v (%v), want a new process", next, err)
	}
	for range 2 { // stopping what does not run is no error
		if err := s.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if s.Running() {
			t.Error("runs after it was stopped")
		}
	}
	wantMode(t, s.LogFile(), 0o600)
}

func TestStartTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	s := State{Dir: t.TempDir()}
	self := filepath.Join(s.Dir, "sandbox")
	if err := os.WriteFile(self, []byte("#!/bin/sh\necho the reason >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := s.Start(t.Context(), self)
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"exit status 3", "the reason", s.LogFile()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestWriteTrust sets the environment, so it can't run beside others.
func TestWriteTrust(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.pem")
	if err := os.WriteFile(own, []byte("own authorities"), 0o600); err != nil { // without an end of line
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.pem")
	if err := os.WriteFile(other, []byte("other authorities\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ env, want string }{
		{own, "own authorities\nsandbox\n"},
		{other, "other authorities\nsandbox\n"},
		{own, "own authorities\nsandbox\n"},
	} {
		t.Setenv("SSL_CERT_FILE", test.env)
		s := State{Dir: t.TempDir()}
		if err := s.writeTrust([]byte("sandbox\n")); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(s.TrustFile()); err != nil || string(got) != test.want {
			t.Errorf("SSL_CERT_FILE=%s: got %q (%v), want %q", test.env, got, err, test.want)
		}
		wantMode(t, s.TrustFile(), 0o644)
	}
	// Without the variable, no file of an earlier one is used.
	t.Setenv("SSL_CERT_FILE", "")
	s := State{Dir: t.TempDir()}
	if err := s.writeTrust([]byte("sandbox\n")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(s.TrustFile())
	if err != nil || bytes.Contains(got, []byte("authorities")) || !bytes.HasSuffix(got, []byte("sandbox\n")) {
		t.Errorf("got %q (%v), want the system's authorities and the sandbox's", got, err)
	}
}

func wantMode(t *testing.T, file string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", file, got, want)
	}
}
