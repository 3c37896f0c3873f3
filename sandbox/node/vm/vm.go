// Package vm runs stand-ins for virtual machines: each is a set of processes in
// Linux namespaces of their own, with their own mounts, process ids, network,
// host name and cgroups, on the host's kernel and root file system.
package vm

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

// InitName is the name (argv[0]) under which the sandbox's binary is a VM's first process.
const InitName = "vm-init"

// Spec describes a VM.
type Spec struct {
	// Name is the host name.
	Name string `json:"name"`
	// Tmpfs are file systems in memory, target to size (tmpfs(5)): a disk that can be full
	// while the host's is not. They are mounted before Binds, and are gone with the VM.
	Tmpfs map[string]string `json:"tmpfs,omitempty"`
	// Binds are bind mounts, target to source; both must exist.
	Binds map[string]string `json:"binds"`
	// Sysctls are set in the VM's own namespaces, keyed as below /proc/sys.
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

// VM is a running stand-in for a virtual machine.
type VM struct {
	spec Spec
	cmd  *exec.Cmd
	done chan struct{}
}

// Start creates the namespaces, lets connect give the first process's network namespace its
// links, and starts the VM's processes. The VM dies with this process.
func Start(spec Spec, cgroup Cgroup, connect func(pid int) error) (*VM, error) {
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
	m := &VM{spec: spec, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig means the parent thread, so this thread must live as long as the VM.
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
		return nil, fmt.Errorf("starting VM %s: %w", spec.Name, err)
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
		return nil, errors.Join(fmt.Errorf("preparing VM %s: %w", spec.Name, err), m.Stop())
	}
	return m, nil
}

// Stop ends every process of the VM at once, as pulling the plug does.
func (m *VM) Stop() error {
	err := m.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-m.done
	return err
}

// Done returns a channel that is closed when the VM's first process has ended.
func (m *VM) Done() <-chan struct{} { return m.done }

// Pid returns the process ID of the VM's first process, as seen by the host.
func (m *VM) Pid() int { return m.cmd.Process.Pid }

// Run runs a program of the host to its end inside the VM's network
// namespace and returns its standard output.
func (m *VM) Run(ctx context.Context, stdin []byte, env []string, name string, args ...string) ([]byte, error) {
	return run(ctx, m.Pid(), stdin, env, append([]string{name}, args...))
}
