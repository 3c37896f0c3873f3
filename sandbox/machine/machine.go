// Package machine runs a stand-in for a virtual machine: a set of processes in
// Linux namespaces of their own, with their own mounts, process ids, network,
// host name and cgroups, on the host's kernel and root file system.
package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// InitName is the name (argv[0]) under which the sandbox's binary is a machine's first process.
const InitName = "machine-init"

// Spec describes a machine.
type Spec struct {
	// Name is the host name.
	Name string `json:"name"`
	// Tmpfs are file systems in memory, target to size (tmpfs(5)): a disk that can be full
	// while the host's is not. They are mounted before Binds, and are gone with the machine.
	Tmpfs map[string]string `json:"tmpfs,omitempty"`
	// Binds are bind mounts, target to source; both must exist.
	Binds map[string]string `json:"binds"`
	// Sysctls are set in the machine's own namespaces, keyed as below /proc/sys.
	Sysctls map[string]string `json:"sysctls"`
	// Processes are started in order and started again when they end.
	Processes []Process `json:"processes"`
	// LogDir gets one file a process.
	LogDir string `json:"logDir"`
}

// Process describes one supervised program.
type Process struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`
}

// Machine is a running machine.
type Machine struct {
	spec Spec
	cmd  *exec.Cmd
	done chan struct{}
}

// Start creates the namespaces, lets connect give the first process's network namespace its
// links, and starts the machine's processes. The machine dies with this process.
func Start(spec Spec, cgroup Cgroup, connect func(pid int) error) (*Machine, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	if err := os.MkdirAll(spec.LogDir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(spec.LogDir+"/init.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{InitName}, Stdin: read, Stdout: log, Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			Pdeathsig:  syscall.SIGKILL,
			Setsid:     true,
		},
	}
	m := &Machine{spec: spec, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig means the parent thread, so this thread must live as long as the machine.
		runtime.LockOSThread()
		defer close(m.done)
		err := cmd.Start()
		read.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting machine %s: %w", spec.Name, err)
	}
	err = cgroup.Add(cmd.Process.Pid)
	if err == nil {
		err = connect(cmd.Process.Pid)
	}
	if err == nil {
		// The first process waits for this, so nothing runs before the network is there.
		err = json.NewEncoder(write).Encode(spec)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing machine %s: %w", spec.Name, err), m.Stop())
	}
	return m, nil
}

// Stop ends every process of the machine at once, as pulling the plug does.
func (m *Machine) Stop() error {
	err := m.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-m.done
	return err
}

// Done returns a channel that is closed when the machine's first process has ended.
func (m *Machine) Done() <-chan struct{} { return m.done }

// Pid returns the process ID of the machine's first process, as seen by the host.
func (m *Machine) Pid() int { return m.cmd.Process.Pid }

// Run runs a program of the host to its end inside the machine's network
// namespace and returns its standard output.
func (m *Machine) Run(ctx context.Context, stdin []byte, env []string, name string, args ...string) ([]byte, error) {
	return run(ctx, m.Pid(), stdin, env, append([]string{name}, args...))
}
