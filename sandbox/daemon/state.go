package daemon

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/internal/wholefile"
)

// State is the folder that holds everything a sandbox remembers.
type State struct{ Dir string }

func (s State) path(name string) string { return filepath.Join(s.Dir, filepath.FromSlash(name)) }
func (s State) infoFile() string        { return s.path("daemon.json") }

// LogFile returns the path of the daemon's log.
func (s State) LogFile() string { return s.path("log/sandbox.log") }

// TrustFile returns the path of a bundle of the machine's certificate authorities and the
// sandbox's own.
func (s State) TrustFile() string { return s.path("trust.pem") }

// ClustersDir returns the folder where the emulated clusters keep their state (cluster.Options.Dir).
func (s State) ClustersDir() string { return s.path("clusters") }

// CloudDir returns the folder where the emulated cloud keeps its objects (gcp.Open).
func (s State) CloudDir() string { return s.path("cloud") }

// Exists reports whether there is a sandbox, running or not.
func (s State) Exists() bool {
	_, err := os.Stat(s.Dir)
	return err == nil
}

// errRunning is the error of Lock while a daemon runs.
var errRunning = errors.New("a sandbox is running on this folder already")

// Lock locks the state folder for one daemon; the kernel releases the lock when the process ends.
func (s State) Lock() (*os.File, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.path("daemon.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errRunning
	}
	return f, nil
}

// Running reports whether a daemon runs, even if it does not serve yet.
func (s State) Running() bool {
	if !s.Exists() {
		return false
	}
	f, err := s.Lock()
	if err == nil {
		f.Close()
	}
	return errors.Is(err, errRunning)
}

// Info reads what the running daemon says about itself; ok is false until it serves.
func (s State) Info() (info Info, ok bool, err error) {
	text, err := os.ReadFile(s.infoFile())
	if errors.Is(err, fs.ErrNotExist) || !s.Running() {
		return Info{}, false, nil
	}
	if err != nil {
		return Info{}, false, err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return Info{}, false, fmt.Errorf("reading %s: %w", s.infoFile(), err)
	}
	// A file left by a killed daemon does not describe the running one.
	pid, err := s.daemonPID()
	return info, err == nil && pid == info.PID, err
}

func (s State) writeInfo(info Info) error {
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return wholefile.Write(s.infoFile(), text, 0o600)
}

// bundles lists the files where distributions keep their certificate authorities.
var bundles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

// writeTrust writes TrustFile: the deployer trusts what it trusted before, and the sandbox's authority.
func (s State) writeTrust(ca []byte) error {
	files := bundles
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		files = append([]string{file}, bundles...)
	}
	trust := ca
	for _, b := range files {
		if own, err := os.ReadFile(b); err == nil {
			trust = fmt.Appendf(nil, "%s\n%s", bytes.TrimRight(own, "\n"), ca)
			break
		}
	}
	return os.WriteFile(s.TrustFile(), trust, 0o644)
}

// startTimeout covers resuming a cluster with all of its nodes on a loaded machine.
const startTimeout = 10 * time.Minute

// Start runs `self serve` in the background and waits until it serves.
func (s State) Start(ctx context.Context, self string) (Info, error) {
	info, ok, err := s.Info()
	if err != nil || ok && info.Program == program() {
		return info, err
	}
	if ok { // an older build of this program: its state is kept, as in a reboot
		if err := s.Stop(ctx); err != nil {
			return Info{}, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(s.LogFile()), 0o700); err != nil {
		return Info{}, err
	}
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return Info{}, err
	}
	defer log.Close()
	exited := make(chan error, 1)
	if !s.Running() {
		cmd := exec.Command(self, "serve")
		if slog.Default().Enabled(ctx, slog.LevelDebug) {
			cmd.Args = append(cmd.Args, "--verbose")
		}
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is for the command, not for the daemon
		if err := cmd.Start(); err != nil {
			return Info{}, fmt.Errorf("starting the sandbox: %w", err)
		}
		go func() { exited <- cmd.Wait() }()
	}
	deadline := time.After(startTimeout)
	for {
		if info, ok, err := s.Info(); ok || err != nil {
			return info, err
		}
		select {
		case <-ctx.Done():
			return Info{}, ctx.Err()
		case err := <-exited:
			return Info{}, fmt.Errorf("the sandbox ended (%w) with:\n%s\nIts log is %s", err, lastLines(s.LogFile()), s.LogFile())
		case <-deadline:
			return Info{}, fmt.Errorf("the sandbox did not come up within %s; its log is %s", startTimeout, s.LogFile())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// program returns the running program's build ID, which depends on its content only.
var program = sync.OnceValue(func() string {
	file, err := elf.Open("/proc/self/exe")
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	id, err := file.Section(".note.go.buildid").Data()
	if err != nil {
		return "unknown"
	}
	return hex.EncodeToString(id)
})

func lastLines(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1500):])
}

// Stop ends the daemon, if one runs, and waits until it has gone.
func (s State) Stop(ctx context.Context) error {
	if !s.Running() {
		return nil
	}
	pid, err := s.daemonPID()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping the sandbox's process %d: %w", pid, err)
	}
	for s.Running() {
		if wait.For(ctx, 100*time.Millisecond) != nil {
			return ctx.Err() // not the cause, which is another stage's failure (package progress)
		}
	}
	return nil
}

// daemonPID asks the kernel who holds the lock, so that no stale number can hit another process.
func (s State) daemonPID() (int, error) {
	f, err := os.Open(s.path("daemon.lock"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0, err
	}
	return lockHolder(string(locks), info)
}
